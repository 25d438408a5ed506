//! Every key of a stack file has an effect, and a test that sees it on a running tree.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod control;
mod expanded;
mod logs;
mod policy;
#[path = "../../../socket/tests/common/ports.rs"]
mod ports;
mod probes;
mod programs;
mod secrets;
mod served;
#[path = "../../../process/tests/common/server.rs"]
mod server;
#[path = "../../../socket/tests/common/skip.rs"]
mod skip;
mod sockets;
#[path = "../../../control/tests/common/stranger.rs"]
mod stranger;
mod supervisors;
mod surroundings;
mod tree;

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};

use serde_json::{Value, json};
use served::{Place, command, result, stack_text};
use supervisor_stack::{Stack, schema};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Each key with the test that sees its effect.
#[rustfmt::skip]
const KEYS: &[(&str, fn())] = &[
    ("AuditKept.fail_open", control::s12_with_fail_open_a_command_that_cannot_be_recorded_is_carried_out),
    ("AuditKept.path", control::commands_are_recorded_where_the_file_says_or_not_at_all),
    ("AuditKept.segment_mib", control::files_of_the_audit_end_at_their_size_and_the_oldest_are_dropped),
    ("AuditKept.total_mib", control::files_of_the_audit_end_at_their_size_and_the_oldest_are_dropped),
    ("BackoffManifest.initial_ms", policy::delays_begin_at_initial_double_and_end_at_max),
    ("BackoffManifest.jitter_ratio", policy::jitter_moves_a_delay_by_at_most_its_share),
    ("BackoffManifest.max_ms", policy::delays_begin_at_initial_double_and_end_at_max),
    ("BackoffManifest.reset_after_secs", policy::a_run_that_lasts_long_enough_ends_the_streak),
    ("BudgetLimits.max_restarts", policy::a_childs_budget_has_figures_and_an_action),
    ("BudgetLimits.on_exhausted", policy::a_childs_budget_has_figures_and_an_action),
    ("BudgetLimits.window_secs", policy::a_childs_budget_has_figures_and_an_action),
    ("ChildManifest.auto_shutdown", supervisors::a_significant_child_ends_its_supervisor),
    ("ChildManifest.backoff", policy::delays_begin_at_initial_double_and_end_at_max),
    ("ChildManifest.budget", policy::a_childs_budget_has_figures_and_an_action),
    ("ChildManifest.children", supervisors::defaults_reach_the_children_of_children),
    ("ChildManifest.command", programs::a_command_gets_its_words_as_they_are),
    ("ChildManifest.command_permissions", policy::commands_that_a_child_does_not_permit_are_refused),
    ("ChildManifest.criticality", policy::an_optional_child_is_parked_where_another_takes_the_tree_down),
    ("ChildManifest.defaults", supervisors::defaults_reach_the_children_of_children),
    ("DependencyUntil.condition", policy::what_is_waited_for_of_a_sibling_can_be_said),
    ("DependencyUntil.name", policy::what_is_waited_for_of_a_sibling_can_be_said),
    ("ChildManifest.dependencies", policy::a_dependant_waits_for_a_job_to_end_well),
    ("ChildManifest.dynamic", supervisors::a_dynamic_supervisor_takes_as_many_children_as_it_is_said),
    ("ChildManifest.env_file", surroundings::variables_come_from_files_that_are_read_at_each_start),
    ("ChildManifest.environment", programs::variables_come_from_the_child_the_defaults_and_secrets),
    ("ChildManifest.escalation", programs::what_does_not_end_at_the_stop_signal_gets_the_next_ones_within_its_grace),
    ("ChildManifest.factory", policy::a_task_is_made_by_the_factory_it_names_or_is_called_like),
    ("ChildManifest.factory_key", policy::a_task_is_made_by_the_factory_it_names_or_is_called_like),
    ("ChildManifest.group", surroundings::a_program_runs_as_the_user_and_the_group_that_are_said),
    ("ChildManifest.health_check", programs::a_program_that_does_not_answer_is_unhealthy),
    ("ChildManifest.kind", policy::a_task_is_made_by_the_factory_it_names_or_is_called_like),
    ("ChildManifest.log", logs::what_a_program_prints_is_in_its_file_beside_that_of_the_stack),
    ("ChildManifest.name", programs::a_command_gets_its_words_as_they_are),
    ("ChildManifest.nice", surroundings::files_are_made_without_the_umask_and_the_cpu_is_shared_as_nice_says),
    ("ChildManifest.no_new_privs", surroundings::privileges_are_gained_only_where_that_is_said),
    ("ChildManifest.on_start_failure", supervisors::a_failed_start_is_unwound_or_tried_again),
    ("ChildManifest.order", supervisors::declared_order_waits_for_each_and_dependencies_for_those_named_only),
    ("ChildManifest.post_stop", programs::a_program_runs_after_each_run_and_is_told_how_that_ended),
    ("ChildManifest.pre_start", programs::a_program_runs_before_each_start_and_must_end_well),
    ("ChildManifest.primary", policy::a_sidecar_starts_before_its_primary_and_ends_with_it),
    ("ChildManifest.profile", supervisors::under_profile_otp_the_second_failure_is_too_much),
    ("ChildManifest.profiles", expanded::children_with_profiles_are_there_when_one_is_selected),
    ("ChildManifest.readiness", programs::a_program_is_ready_when_its_probe_succeeds),
    ("ChildManifest.ready_within_secs", policy::a_start_that_takes_too_long_has_failed),
    ("ChildManifest.reload_signal", programs::a_program_alone_is_told_to_read_its_configuration_again),
    ("ChildManifest.replicas", expanded::a_program_is_there_as_often_as_is_said_with_its_number),
    ("ChildManifest.resource_limits", programs::the_limits_of_a_program_are_set),
    ("ChildManifest.restart_dependants", policy::dependants_are_restarted_when_it_is_said),
    ("ChildManifest.restart_policy", policy::the_restart_policy_wins_over_the_role),
    ("ChildManifest.retry", policy::a_job_is_tried_again_only_with_retry),
    ("ChildManifest.role", policy::a_role_says_what_an_end_means),
    ("ChildManifest.schedule", programs::a_job_runs_each_time_that_its_schedule_says),
    ("ChildManifest.secrets", programs::a_secret_is_read_by_its_name_and_may_be_missing_only_when_it_is_said),
    ("ChildManifest.shutdown", policy::a_program_that_does_not_stop_is_killed_after_its_grace),
    ("ChildManifest.sidecar_config", policy::a_sidecar_starts_before_its_primary_and_ends_with_it),
    ("ChildManifest.significant", supervisors::a_significant_child_ends_its_supervisor),
    ("ChildManifest.sockets", sockets::a_socket_stays_open_until_its_program_is_removed),
    ("ChildManifest.stdin", surroundings::a_program_reads_what_is_said),
    ("ChildManifest.stop", supervisors::children_are_stopped_one_by_one_or_at_once),
    ("ChildManifest.stop_signal", programs::the_stop_signal_is_the_one_that_is_sent),
    ("ChildManifest.strategy", supervisors::the_strategy_says_who_is_restarted),
    ("ChildManifest.success_exit_codes", programs::success_exit_codes_are_good_ends),
    ("ChildManifest.tags", policy::tags_are_kept_with_the_child),
    ("ChildManifest.task_role", policy::a_role_says_what_an_end_means),
    ("ChildManifest.terminal", surroundings::a_program_has_a_terminal_where_that_is_said),
    ("ChildManifest.umask", surroundings::files_are_made_without_the_umask_and_the_cpu_is_shared_as_nice_says),
    ("ChildManifest.user", surroundings::a_program_runs_as_the_user_and_the_group_that_are_said),
    ("ChildManifest.working_dir", programs::the_working_directory_is_the_childs_or_the_default),
    ("CommandPermissions.allow_restart", policy::commands_that_a_child_does_not_permit_are_refused),
    ("CommandPermissions.allow_shutdown", policy::commands_that_a_child_does_not_permit_are_refused),
    ("CommandPermissions.allowed_signals", policy::only_listed_signals_are_sent),
    ("ControlLimits.manifest_kib", control::s06_a_request_that_adds_a_child_is_as_large_as_the_limits_say),
    ("ControlLimits.commands_burst", control::s09_a_user_commands_as_often_as_the_limits_say),
    ("ControlLimits.commands_per_sec", control::s09_a_user_commands_as_often_as_the_limits_say),
    ("ControlLimits.frame_secs", control::s07_a_peer_has_the_time_that_the_limits_say),
    ("ControlLimits.idle_secs", control::s07_a_peer_has_the_time_that_the_limits_say),
    ("ControlLimits.max_connections", control::s08_there_are_as_many_connections_as_the_limits_say),
    ("ControlLimits.max_connections_per_user", control::s08_there_are_as_many_connections_as_the_limits_say),
    ("ControlLimits.refusals_per_min", control::s09_a_stranger_is_told_so_as_often_as_the_limits_say),
    ("ControlLimits.reserved_for_admins", control::s08_some_connections_are_kept_for_admins),
    ("ControlLimits.write_secs", control::s07_a_peer_has_the_time_that_the_limits_say),
    ("ControlManifest.allow_programs", control::s15_others_add_only_programs_that_are_allowed),
    ("ControlManifest.audit", control::commands_are_recorded_where_the_file_says_or_not_at_all),
    ("ControlManifest.bind_mode", control::a_dead_socket_is_replaced_unless_the_file_says_create_new),
    ("ControlManifest.display_name", control::the_target_is_known_by_the_id_and_the_name_that_are_said),
    ("ControlManifest.limits", control::s09_a_user_commands_as_often_as_the_limits_say),
    ("ControlManifest.path", control::the_socket_is_where_the_file_says_and_the_flag_goes_before_it),
    ("ControlManifest.permissions", control::the_file_of_the_socket_has_the_permissions_that_are_said),
    ("ControlManifest.registration", control::the_relay_is_told_at_its_socket_with_the_lease_and_as_often_as_it_is_said),
    ("ControlManifest.roles", control::s04_others_have_the_role_that_the_file_gives_to_their_user_or_group),
    ("ControlManifest.target_id", control::the_target_is_known_by_the_id_and_the_name_that_are_said),
    ("DashboardListens.listen", the_dashboard_listens_where_the_file_says),
    ("DefaultsManifest.backoff", policy::delays_begin_at_initial_double_and_end_at_max),
    ("DefaultsManifest.command_permissions", policy::commands_that_a_child_does_not_permit_are_refused),
    ("DefaultsManifest.criticality", policy::an_optional_child_is_parked_where_another_takes_the_tree_down),
    ("DefaultsManifest.env_file", surroundings::variables_come_from_files_that_are_read_at_each_start),
    ("DefaultsManifest.environment", programs::variables_come_from_the_child_the_defaults_and_secrets),
    ("DefaultsManifest.log", logs::with_a_directory_each_program_has_the_file_of_its_path),
    ("DefaultsManifest.ready_within_secs", policy::a_start_that_takes_too_long_has_failed),
    ("DefaultsManifest.shutdown", policy::a_program_that_does_not_stop_is_killed_after_its_grace),
    ("DefaultsManifest.working_dir", programs::the_working_directory_is_the_childs_or_the_default),
    ("DynamicManifest.max_children", supervisors::a_dynamic_supervisor_takes_as_many_children_as_it_is_said),
    ("EnvFileEntry.file", surroundings::variables_come_from_files_that_are_read_at_each_start),
    ("EnvFileEntry.required", surroundings::variables_come_from_files_that_are_read_at_each_start),
    ("EnvironmentEntry.name", programs::variables_come_from_the_child_the_defaults_and_secrets),
    ("EnvironmentEntry.secret_ref", programs::variables_come_from_the_child_the_defaults_and_secrets),
    ("EnvironmentEntry.value", programs::variables_come_from_the_child_the_defaults_and_secrets),
    ("EscalationStep.after_ms", programs::what_does_not_end_at_the_stop_signal_gets_the_next_ones_within_its_grace),
    ("EscalationStep.signal", programs::what_does_not_end_at_the_stop_signal_gets_the_next_ones_within_its_grace),
    ("HeaderEntry.name", probes::headers_are_sent_with_values_and_with_secrets),
    ("HeaderEntry.secret_ref", probes::headers_are_sent_with_values_and_with_secrets),
    ("HeaderEntry.value", probes::headers_are_sent_with_values_and_with_secrets),
    ("HealthCheckManifest.check_interval_secs", programs::a_program_that_does_not_answer_is_unhealthy),
    ("HealthCheckManifest.exec", programs::a_program_that_does_not_answer_is_unhealthy),
    ("HealthCheckManifest.http", programs::a_program_that_does_not_answer_is_unhealthy),
    ("HealthCheckManifest.max_retries", programs::a_program_that_does_not_answer_is_unhealthy),
    ("HealthCheckManifest.notify", probes::a_program_that_sends_no_sign_of_life_is_unhealthy),
    ("HealthCheckManifest.start_period_secs", probes::no_miss_counts_in_the_start_period),
    ("HealthCheckManifest.tcp", programs::a_program_that_does_not_answer_is_unhealthy),
    ("HealthCheckManifest.timeout_secs", programs::a_health_probe_that_hangs_is_a_miss),
    ("HealthManifest.listen", health_listens_where_the_file_says),
    ("HookEntry.command", programs::a_program_runs_before_each_start_and_must_end_well),
    ("HookEntry.timeout_secs", programs::a_program_runs_before_each_start_and_must_end_well),
    ("HttpRequestManifest.body_contains", probes::an_answer_must_have_all_that_is_said_of_it),
    ("HttpRequestManifest.headers", probes::headers_are_sent_with_values_and_with_secrets),
    ("HttpRequestManifest.response_header", probes::an_answer_must_have_all_that_is_said_of_it),
    ("HttpRequestManifest.status", probes::an_answer_must_have_all_that_is_said_of_it),
    ("HttpRequestManifest.url", probes::an_answer_must_have_all_that_is_said_of_it),
    ("LogFileManifest.compress", logs::rotated_files_are_compressed_unless_it_is_said),
    ("LogFileManifest.dir", logs::with_a_directory_each_program_has_the_file_of_its_path),
    ("LogFileManifest.file", logs::what_a_program_prints_is_in_its_file_beside_that_of_the_stack),
    ("LogFileManifest.keep", logs::a_file_is_rotated_at_its_size_and_only_so_much_is_kept),
    ("LogFileManifest.max_age_hours", logs::a_file_is_rotated_at_its_age),
    ("LogFileManifest.max_size_mb", logs::a_file_is_rotated_at_its_size_and_only_so_much_is_kept),
    ("LogFileManifest.timestamps", logs::the_time_is_before_each_line_when_it_is_said),
    ("LogFileManifest.total_mb", logs::a_file_is_rotated_at_its_size_and_only_so_much_is_kept),
    ("ReadinessProbe.check_interval_secs", programs::a_probe_is_tried_every_interval_and_each_try_ends_after_its_timeout),
    ("ReadinessProbe.delay_ms", programs::a_program_is_ready_when_its_probe_succeeds),
    ("ReadinessProbe.exec", programs::a_program_is_ready_when_its_probe_succeeds),
    ("ReadinessProbe.http", programs::a_program_is_ready_when_its_probe_succeeds),
    ("ReadinessProbe.log_line", programs::a_program_is_ready_when_its_probe_succeeds),
    ("ReadinessProbe.notify", probes::a_program_is_ready_when_it_says_so),
    ("ReadinessProbe.success_threshold", probes::ready_takes_as_many_good_tries_as_are_said),
    ("ReadinessProbe.tcp", programs::a_program_is_ready_when_its_probe_succeeds),
    ("ReadinessProbe.timeout_secs", programs::a_probe_is_tried_every_interval_and_each_try_ends_after_its_timeout),
    ("RegistrationManifest.heartbeat_secs", control::the_relay_is_told_at_its_socket_with_the_lease_and_as_often_as_it_is_said),
    ("RegistrationManifest.lease_secs", control::the_relay_is_told_at_its_socket_with_the_lease_and_as_often_as_it_is_said),
    ("RegistrationManifest.relay", control::the_relay_is_told_at_its_socket_with_the_lease_and_as_often_as_it_is_said),
    ("ResourceLimits.high_memory_mb", programs::a_limit_that_only_a_cgroup_has_is_marked_where_there_is_none),
    ("ResourceLimits.max_address_space_mb", programs::the_limits_of_a_program_are_set),
    ("ResourceLimits.max_core_mb", programs::the_limits_of_a_program_are_set),
    ("ResourceLimits.max_cpu_percent", programs::a_program_above_its_cpu_is_stopped_for_it),
    ("ResourceLimits.max_cpu_secs", programs::the_limits_of_a_program_are_set),
    ("ResourceLimits.max_file_descriptors", programs::the_limits_of_a_program_are_set),
    ("ResourceLimits.max_file_size_mb", programs::the_limits_of_a_program_are_set),
    ("ResourceLimits.max_locked_memory_mb", programs::the_limits_of_a_program_are_set),
    ("ResourceLimits.max_memory_mb", programs::a_program_above_its_memory_is_stopped_for_it),
    ("ResourceLimits.max_processes", programs::a_program_with_too_many_processes_is_stopped_for_it),
    ("ResourceLimits.max_stack_mb", programs::the_limits_of_a_program_are_set),
    ("ResourceLimits.max_user_processes", programs::the_limits_of_a_program_are_set),
    ("ResponseHeader.name", probes::an_answer_must_have_all_that_is_said_of_it),
    ("ResponseHeader.value", probes::an_answer_must_have_all_that_is_said_of_it),
    ("RoleManifest.gid", control::s04_others_have_the_role_that_the_file_gives_to_their_user_or_group),
    ("RoleManifest.relay", control::s05_who_asks_through_a_relay_is_shown_by_the_name_that_it_says),
    ("RoleManifest.role", control::s04_others_have_the_role_that_the_file_gives_to_their_user_or_group),
    ("RoleManifest.uid", control::s04_others_have_the_role_that_the_file_gives_to_their_user_or_group),
    ("RootShutdownManifest.graceful_timeout_ms", supervisors::the_whole_stop_can_be_limited),
    ("ScheduleEntry.cron", programs::a_job_runs_each_time_that_its_schedule_says),
    ("ScheduleEntry.every_secs", programs::a_job_runs_each_time_that_its_schedule_says),
    ("ScheduleEntry.missed", programs::a_time_that_comes_while_a_job_runs_is_left_out_or_made_up_for),
    ("ScheduleEntry.time_zone", programs::a_job_runs_each_time_that_its_schedule_says),
    ("SecretEntry.key", programs::a_secret_is_read_by_its_name_and_may_be_missing_only_when_it_is_said),
    ("SecretEntry.name", programs::a_secret_is_read_by_its_name_and_may_be_missing_only_when_it_is_said),
    ("SecretEntry.required", programs::a_secret_is_read_by_its_name_and_may_be_missing_only_when_it_is_said),
    ("SecretsPlace.command", secrets::a_command_is_asked_for_each_key_and_has_its_time),
    ("SecretsPlace.directory", secrets::secrets_come_from_the_files_of_a_directory_at_each_start),
    ("SecretsPlace.timeout_secs", secrets::a_command_is_asked_for_each_key_and_has_its_time),
    ("ShutdownManifest.abort_wait_ms", policy::a_kill_that_is_not_confirmed_in_time_is_unresponsive),
    ("ShutdownManifest.graceful_timeout_ms", policy::a_program_that_does_not_stop_is_killed_after_its_grace),
    ("SidecarConfig.primary_child_id", policy::a_sidecar_starts_before_its_primary_and_ends_with_it),
    ("Stack.children", programs::a_command_gets_its_words_as_they_are),
    ("Stack.control", control::the_socket_is_where_the_file_says_and_the_flag_goes_before_it),
    ("Stack.dashboard", the_dashboard_listens_where_the_file_says),
    ("Stack.health", health_listens_where_the_file_says),
    ("SocketManifest.listen", sockets::a_socket_stays_open_until_its_program_is_removed),
    ("SocketManifest.mode", sockets::a_socket_has_its_name_and_its_permissions),
    ("SocketManifest.name", sockets::a_socket_has_its_name_and_its_permissions),
    ("Stack.include", expanded::included_files_bring_their_children_in_order),
    ("Stack.name", one_stack_of_a_name_runs_and_is_known_by_it_and_no_other_version_does),
    ("Stack.secrets_from", secrets::a_secret_that_is_in_no_place_is_a_failed_start_that_says_what_each_one_said),
    ("Stack.supervisor", supervisors::the_strategy_says_who_is_restarted),
    ("Stack.variables", expanded::variables_stand_for_a_value_in_every_text_and_have_its_type),
    ("Stack.version", one_stack_of_a_name_runs_and_is_known_by_it_and_no_other_version_does),
    ("StdinFile.file", surroundings::a_program_reads_what_is_said),
    ("SupervisorManifest.auto_shutdown", supervisors::d20_a_stack_ends_when_it_is_done_unless_it_is_told_not_to),
    ("SupervisorManifest.budget", supervisors::the_budget_of_a_supervisor_is_for_its_children),
    ("SupervisorManifest.defaults", supervisors::defaults_reach_the_children_of_children),
    ("SupervisorManifest.dynamic", supervisors::a_dynamic_supervisor_takes_as_many_children_as_it_is_said),
    ("SupervisorManifest.on_start_failure", supervisors::a_failed_start_is_unwound_or_tried_again),
    ("SupervisorManifest.order", supervisors::declared_order_waits_for_each_and_dependencies_for_those_named_only),
    ("SupervisorManifest.profile", supervisors::under_profile_otp_the_second_failure_is_too_much),
    ("SupervisorManifest.shutdown", supervisors::the_whole_stop_can_be_limited),
    ("SupervisorManifest.stop", supervisors::children_are_stopped_one_by_one_or_at_once),
    ("SupervisorManifest.strategy", supervisors::the_strategy_says_who_is_restarted),
];

#[test]
fn every_key_of_the_schema_has_a_test_that_sees_its_effect() {
    let schema = schema();
    let definitions = schema["$defs"].as_object().unwrap().iter();
    let mut keys = BTreeSet::new();
    for (owner, definition) in definitions.chain([(&"Stack".to_owned(), &schema)]) {
        let properties = definition["properties"].as_object().into_iter().flatten();
        keys.extend(properties.map(|(key, _)| format!("{owner}.{key}")));
    }
    let tested: BTreeSet<String> = KEYS.iter().map(|(key, _)| (*key).to_owned()).collect();
    assert_eq!(tested.len(), KEYS.len(), "a key is there twice");
    let untested: Vec<_> = keys.difference(&tested).collect();
    assert!(untested.is_empty(), "add a test for each of {untested:?}, and name it in KEYS");
    let unknown: Vec<_> = tested.difference(&keys).collect();
    assert!(unknown.is_empty(), "no such keys: {unknown:?}");
}

#[test]
fn one_stack_of_a_name_runs_and_is_known_by_it_and_no_other_version_does() {
    tree::block(async {
        let place = Place::new();
        let served = place.control("").await;
        assert_eq!(served.ask(vec![served::hello()]).await[0]["result"]["registration"]["target_id"], "keys");
        let name =
            |name: &str| Stack::parse("f", format!("version: 1\nname: {name}\nchildren: []\n")).unwrap();
        let refused = place.claim(&name("keys")).err().unwrap().to_string();
        assert!(refused.contains("keys"), "{refused}");
        assert!(place.claim(&name("others")).is_ok());
        served.close().await;
        assert!(place.claim(&name("keys")).is_ok());
    });
    let error = Stack::parse("f", "version: 2\nname: demo\nchildren: []\n").unwrap_err();
    assert!(error.to_string().contains("`version` must be 1"), "{error}");
}

/// What the health endpoint answers.
async fn get(address: SocketAddr, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.0\r\n\r\n");
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// An address at which nobody else on this machine listens, nor is given a port: one of this process alone.
fn free_address() -> SocketAddr {
    let [_, a, b, c] = std::process::id().to_be_bytes();
    std::net::TcpListener::bind((Ipv4Addr::new(127, a | 1, b, c), 0)).unwrap().local_addr().unwrap()
}

#[test]
fn health_listens_where_the_file_says() {
    tree::block(async {
        let place = Place::new();
        let free = free_address();
        let served = place.serve(&format!("health: {{listen: \"{free}\"}}")).await.unwrap();
        assert_eq!(served.serving.health.as_ref().unwrap().address(), free);
        assert!(get(free, "/readyz").await.ends_with("\r\n\r\nready\n"));
        served.close().await;
        assert!(Place::new().serve("").await.unwrap().serving.health.is_none(), "off by default");
    });
}

#[test]
fn the_dashboard_listens_where_the_file_says() {
    tree::block(async {
        let place = Place::new();
        let free = free_address();
        let served = place.serve(&format!("dashboard: {{listen: \"{free}\"}}")).await.unwrap();
        assert_eq!(served.serving.dashboard.as_ref().unwrap().address(), free);
        assert!(get(free, "/").await.contains("default-src 'none'"));
        served.close().await;
        // It is closed with the rest, but for copies that programs of tests beside this one have between fork and exec.
        while TcpStream::connect(free).await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        assert!(place.serve("dashboard: off").await.unwrap().serving.dashboard.is_none());
    });
}

#[test]
fn metrics_tell_the_version_of_the_spec_that_was_applied_last() {
    tree::block(async {
        let place = Place::new();
        let top = format!("health: {{listen: \"127.0.0.1:0\"}}\ncontrol: {{path: {}}}", place.text("s.sock"));
        let served = place.serve(&top).await.unwrap();
        let address = served.serving.health.as_ref().unwrap().address();
        let told = async || {
            let metrics = get(address, "/metrics").await;
            let line = metrics.lines().find_map(|line| line.strip_prefix("supervisor_config_version "));
            line.unwrap().parse::<f64>().unwrap()
        };
        let version = async || {
            let state = served.ask(vec![json!({"request_id": "s", "method": "state"})]).await.remove(0);
            let version = state["result"]["state"]["config_version"].as_str().unwrap().to_owned();
            u64::from_str_radix(&version[..13], 16).unwrap() as f64
        };
        let before = version().await;
        assert_eq!(told().await, before);
        let mut apply = command("1", "apply", Value::Null);
        apply["params"]["target"]["child_path"] = Value::Null;
        apply["params"]["stack"] =
            stack_text(&top).replace("async_worker", "async_worker, tags: [blue]").into();
        assert_eq!(result(&served.ask(vec![apply]).await[0]), "completed");
        assert_ne!(version().await, before);
        assert_eq!(told().await, version().await);
        served.close().await;
    });
}
