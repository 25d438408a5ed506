//! The faults, by subject. A line is
//!
//! ```text
//! name: "what is wrong", breaks [R…, D…], found by [invariants] within SEEDS;
//! ```
//!
//! and ends after `breaks […]` where the simulator need not find the fault. `cargo xtask rules` reads this file.

use super::{Found, Planted};

macro_rules! catalogue {
    ($($name:ident: $wrong:literal, breaks [$($rule:ident),+]
        $(, found by [$($invariant:literal),+] within $seeds:literal)?;)+) => {
        /// A planted fault.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[expect(non_camel_case_types, reason = "a fault has one spelling, here, in its name and at its place")]
        pub enum Fault {
            $(#[doc = $wrong] $name,)+
        }

        /// Every fault that can be planted.
        pub const CATALOGUE: &[Planted] = &[$(Planted {
            fault: Fault::$name,
            name: stringify!($name),
            wrong: $wrong,
            breaks: &[$(stringify!($rule)),+],
            found: [$(Some(Found { invariants: &[$($invariant),+], within: $seeds }),)? None][0],
        }),+];
    };
}

catalogue! {
    // Budget.
    window_keeps_its_edge: "A charge still counts at the instant when it is as old as the window.", breaks [R45, D2];
    window_never_slides: "Old charges are never forgotten.", breaks [R44, R103], found by [7, 8] within 2000;
    window_is_halved: "A charge is forgotten after half the window.",
        breaks [R44, R45, D2], found by [7, 8] within 2000;
    budget_allows_one_more: "One restart more than the budget allows is made.",
        breaks [R40, R41, R103], found by [7, 8] within 500;
    budget_allows_one_less: "The last restart that the budget allows is not made.",
        breaks [R40, R103, D4], found by [7, 8] within 500;
    charged_twice: "A failure is charged twice.", breaks [R42, R43], found by [7, 8] within 500;
    failed_start_clears_the_log: "A start that fails clears the budget it is charged to.", breaks [R32, R43], found by [7, 8] within 2000;
    operators_restart_is_charged: "An operator's restart is charged.",
        breaks [R118, D17], found by [7, 8] within 2000;
    restart_by_hand_clears_the_log: "An operator's restart clears the budget of the supervisor.",
        breaks [R52, D17], found by [7, 8] within 2000;
    resume_keeps_the_budget: "A resumed child keeps the charges of its own budget.",
        breaks [D4, D10], found by [7, 8] within 5000;
    quarantine_charges_the_supervisor:
        "A child that is quarantined when it fails too often is charged to its supervisor too.",
        breaks [D4], found by [7, 8] within 2000;
    weaker_action_wins: "When two budgets are exhausted, the weaker action is taken.",
        breaks [D4], found by [7, 9] within 200000;
    incarnation_keeps_its_charges: "A restarted supervisor keeps the charges of its last incarnation.",
        breaks [R48], found by [7, 8] within 2000;
    unresponsive_is_charged: "The late restart of a child that did not die in time is charged.",
        breaks [D8], found by [7, 8] within 50000;
    otp_profile_is_elixirs: "The profile of OTP has a budget of three restarts.", breaks [R7, D1];
    escalation_is_free: "A supervisor that gives up clears the budget of its parent.",
        breaks [R49], found by [7, 8] within 2000;
    dynamic_children_are_free: "Children of a dynamic supervisor are not charged.",
        breaks [R50], found by [7, 8] within 10000;
    unreachable_budget_is_not_noticed: "A budget that restarts are too slow to exhaust is taken as it is.",
        breaks [R51, D4];
    // Back-off.
    first_restart_waits: "The first restart of a streak is delayed.", breaks [R104, D3], found by [10] within 500;
    backoff_never_grows: "Every delay is the first one.", breaks [R104, D3], found by [10] within 2000;
    backoff_has_no_ceiling: "Delays grow beyond the longest.", breaks [R104, D3], found by [10] within 5000;
    jitter_is_doubled: "The jitter leaves its ratio.", breaks [R104, D3], found by [10] within 2000;
    jitter_without_seed: "The jitter depends on where the machine lies in memory.",
        breaks [D3], found by [35] within 500;
    lasting_run_keeps_the_streak: "A run that lasts does not end the streak of failures before it.",
        breaks [R104, D3], found by [10] within 5000;
    resume_keeps_the_streak: "A resumed or restarted child goes on with the delay it had.",
        breaks [R118, D3, D10], found by [10] within 2000;
    completion_keeps_the_streak: "A clean end does not end the streak.", breaks [D3], found by [10] within 5000;
    group_forgets_its_delay: "A group is started as soon as it is down.", breaks [D3], found by [10] within 2000;
    group_takes_the_shortest_delay: "A group waits for the shortest delay in it.",
        breaks [D3], found by [10] within 5000;
    new_incarnation_leaves_out: "Whom a start was to leave out is left out by one of the next incarnation.",
        breaks [R48, R36];
    new_run_goes_down_for_the_old: "A child that was to go down with a sibling, and both were restarted since, goes down all the same.",
        breaks [D11, D12];
    group_takes_whom_the_start_left: "A group takes down whom somebody else started before the start came by.",
        breaks [R24, D12];
    retry_takes_time: "Without back-off a retry still waits a millisecond.", breaks [R33], found by [10] within 1000;
    // What an end leads to.
    clean_end_rests: "A permanent child that ends cleanly is not restarted.",
        breaks [R17, D3], found by [7] within 500;
    transient_always_restarts: "A transient child is restarted after a clean end.",
        breaks [R18, R78], found by [7] within 500;
    temporary_is_restarted: "A temporary child that fails is restarted.", breaks [R19, R25], found by [7] within 500;
    killed_counts_as_clean: "A child that was killed from outside has ended cleanly.",
        breaks [R16], found by [7] within 1000;
    panic_counts_as_clean: "A panic is a clean end.", breaks [R16], found by [7, 32] within 1000;
    late_end_is_acted_upon: "The end of a child that comes during the shutdown is restarted.",
        breaks [R64], found by [7, 11] within 2000;
    absorbed_end_is_charged: "The end of a member of a group that goes down is charged.",
        breaks [R30], found by [7, 8] within 2000;
    unhealthy_is_let_be: "A child that was stopped as unhealthy is not restarted.",
        breaks [D13], found by [7, 30] within 5000;
    escalation_is_a_crash:
        "A supervisor that gave up has ended badly for its parent, so a transient one is restarted.",
        breaks [R47], found by [7] within 5000;
    escalation_comes_twice: "A supervisor that gives up says so twice.", breaks [R46], found by [9] within 1000;
    escalation_is_lost: "The parent of a supervisor that gave up never learns it.",
        breaks [R46, R47], found by [7, 9, 12, 30] within 1000;
    escalation_leaves_an_orphan: "The last child of a supervisor that gives up is not stopped.",
        breaks [R46], found by [1, 5, 11, 30] within 1000;
    quarantine_stops_siblings: "Under a group strategy the siblings of a child that is quarantined are restarted.",
        breaks [D4], found by [6, 24] within 2000;
    initial_start_is_retried: "A failed initial start is tried again, though it should be unwound.",
        breaks [R2, R111], found by [7] within 500;
    unwound_supervisor_crashes: "A supervisor whose initial start failed has crashed for its parent.",
        breaks [R3], found by [7] within 5000;
    clean_end_completes_a_start: "A clean end before the start is over counts as done.",
        breaks [R116, D19], found by [7] within 1000;
    panic_while_starting_is_a_crash: "A panic before the start is over is treated as one after it.",
        breaks [R14], found by [7, 32] within 2000;
    clean_end_is_not_reported: "The clean end of a permanent child is told as a completion.",
        breaks [R20], found by [7] within 500;
    cancelled_counts_as_clean: "A run that was cancelled, though nobody asked it to stop, has ended cleanly.",
        breaks [R99, D22], found by [7] within 2000;
    every_failure_reads_alike: "A failure is told without its own words.",
        breaks [R117, D9], found by [24] within 500;
    significance_never_fires: "any_significant does nothing.", breaks [R78, R81, R82], found by [7, 30] within 2000;
    first_of_all_fires: "all_significant fires at the first significant end.", breaks [R79], found by [7] within 5000;
    restarting_is_not_active: "A significant child that is being restarted does not count as active.", breaks [R79];
    anybody_fires: "The end of any child counts as that of a significant one.",
        breaks [R84], found by [7] within 5000;
    auto_shutdown_is_final: "A permanent supervisor that shut itself down is not restarted.",
        breaks [R83], found by [7] within 5000;
    // Strategies.
    siblings_stay_up: "A failed child is restarted alone, whatever the strategy.",
        breaks [R23, R24, R42], found by [6] within 500;
    one_for_all_spares_the_earlier: "one_for_all leaves earlier children alone.",
        breaks [R23], found by [6] within 500;
    rest_for_one_takes_all: "rest_for_one takes earlier children too.", breaks [R24], found by [6] within 500;
    temporary_sibling_comes_back: "A temporary child that was stopped for its group is started again.",
        breaks [R26], found by [6, 7] within 2000;
    group_revives_jobs: "A group restart runs a job again that had its run.",
        breaks [D18], found by [6, 7] within 10000;
    group_revives_paused: "A group restart starts a paused child.", breaks [D10], found by [11] within 2000;
    group_starts_early: "A group is started before it is down.", breaks [R27], found by [1, 6] within 1000;
    one_for_one_takes_the_later: "one_for_one restarts later children too.", breaks [R22], found by [6] within 500;
    group_forgets_the_finished: "A group restart leaves out children that had completed.",
        breaks [R29], found by [6, 30] within 2000;
    round_goes_on_where_it_failed: "A retry under one_for_all leaves up what the failed round had started.",
        breaks [R34], found by [6] within 5000;
    half_failed_group_goes_on: "When a member of a group fails to start, those after it are started nevertheless.",
        breaks [R35], found by [6] within 5000;
    // Starting.
    dependant_does_not_wait: "A child starts while one it depends on is not ready.",
        breaks [D11], found by [4] within 500;
    starts_on_who_goes_down: "A child starts on one that is about to go down with those who depend on it.",
        breaks [D11];
    schedule_is_ignored: "A scheduled child starts with its supervisor.",
        breaks [D20], found by [11] within 2000;
    stack_forgets_its_schedules: "A stack ends although a child has a time to start.",
        breaks [D20], found by [7] within 20000;
    conditions_are_ignored: "What a child waits for is always that the other one is ready.",
        breaks [D11], found by [4] within 20000;
    failed_job_satisfies: "A job that failed satisfies its dependants.", breaks [D11], found by [4] within 2000;
    running_job_satisfies: "A job that still runs satisfies its dependants.", breaks [D11], found by [4] within 2000;
    ready_means_spawned: "A child that reports readiness counts as started when it is spawned.",
        breaks [R1, D19], found by [15] within 500;
    ready_is_told_again: "A second report of readiness is told.", breaks [D19], found by [15] within 500;
    generation_is_reused: "A restarted run has the number of the one before.",
        breaks [R31, D5], found by [2] within 500;
    late_message_is_heard: "A message of an older run is taken for one of the present run.",
        breaks [R21, D5], found by [3] within 500;
    wake_is_lost: "Who waits for a child is not woken when that is ready.", breaks [D11], found by [30] within 500;
    failed_addition_is_kept: "A child that was added and fails to start stays and is tried again.",
        breaks [R11], found by [7, 18] within 2000;
    no_start_timeout: "A start may take for ever.", breaks [D19], found by [29] within 1000;
    beat_counts_from_spawn: "The first heartbeat is awaited from the spawn of the run, not from its start.",
        breaks [D13], found by [16] within 10000;
    beat_forgives_nothing: "A heartbeat does not clear the misses before it.",
        breaks [D13], found by [7, 16] within 10000;
    one_miss_too_many: "A child is unhealthy one miss too late.", breaks [D13], found by [7, 16] within 5000;
    missed_beat_is_overlooked: "A heartbeat that does not come is not noticed.",
        breaks [D13], found by [16] within 10000;
    start_period_is_ignored: "The first heartbeat is awaited as soon as any other, whatever the start period.",
        breaks [D13], found by [7, 16] within 20000;
    unwell_is_one_miss: "A run that says that it has failed has missed one heartbeat.",
        breaks [D13], found by [7, 16] within 20000;
    names_may_repeat: "Two siblings may have one name.", breaks [R6];
    unknown_names_are_ignored: "A dependency on nobody is ignored.", breaks [R8, D11];
    order_is_as_declared: "Dependencies do not change the order.", breaks [R110, D11], found by [5] within 1000;
    declining_is_failing: "A child that declines has failed.", breaks [R4, R38, R98], found by [7] within 500;
    declined_dynamic_child_stays: "A dynamic child that declines keeps its row.",
        breaks [R4, R38], found by [7, 17] within 100000;
    addition_stands_first: "An added child stands at the beginning of the order.",
        breaks [R9], found by [5] within 1000;
    addition_overtakes: "An added child is started before those whose turn is earlier.",
        breaks [R15], found by [6, 24] within 1000;
    initial_start_is_over_early: "A supervisor counts as started while its children still start.",
        breaks [D7, D11], found by [4] within 1000;
    restart_takes_another_body: "A restarted child runs something else.", breaks [R86];
    place_is_used_again: "A child takes the key of one that is gone.",
        breaks [R71, D5, D23], found by [2, 3] within 1000;
    // Stopping.
    stops_forward: "Children are stopped in the order in which they started.",
        breaks [R46, R53], found by [5] within 500;
    stops_all_at_once: "A static supervisor asks all its children to stop at once.",
        breaks [R53], found by [5] within 500;
    dynamic_stops_in_turn: "A dynamic supervisor stops its children one at a time.",
        breaks [R54], found by [5, 12] within 5000;
    dynamic_spares_the_needed: "A dynamic supervisor does not ask a child while somebody who runs depends on it.",
        breaks [R54];
    needed_is_stopped: "A concurrent stop asks a child while somebody who runs depends on it.",
        breaks [D19], found by [5] within 2000;
    retry_beats_shutdown: "A retry that comes due during the shutdown is carried out.",
        breaks [R64], found by [11] within 2000;
    taken_for_dead: "A child that was killed counts as gone, though it may still run.",
        breaks [R57, R97, D8], found by [1] within 1000;
    unresponsive_is_started: "A group restart starts a child whose old run does not die.",
        breaks [D6, D8], found by [1] within 2000;
    grace_never_ends: "A child that does not stop is never killed.", breaks [R55, D8], found by [12, 30] within 1000;
    terminate_fires: "Terminating a significant child ends its supervisor.",
        breaks [R80], found by [7, 9] within 5000;
    unwind_leaves_what_had_started: "A failed initial start stops nobody.",
        breaks [R2, R111, R114], found by [1, 5, 11, 12, 30] within 2000;
    shutdown_waits_for_the_retry: "A shutdown waits for a child in back-off.",
        breaks [R39, R66], found by [12] within 1000;
    retry_is_never_void: "The retry of a child that was terminated comes nevertheless.",
        breaks [R36, R37], found by [6, 7, 11, 24] within 20000;
    zero_grace_asks_nobody: "A grace of zero kills without asking.",
        breaks [R56], found by [12] within 500;
    death_is_not_awaited: "A child that was killed is given up on at once.",
        breaks [R57, D8], found by [12] within 500;
    supervisors_have_a_grace: "The default grace of a supervisor ends.", breaks [R7, R62];
    stop_error_is_not_told: "A child that ends badly when it is asked to stop is not reported.",
        breaks [R28, R58, R112, D22];
    every_stop_is_well: "What a child that was asked to stop ends with is lost.",
        breaks [R58, R59], found by [24] within 500;
    waited_is_not_told: "It is not told how long an unresponsive child was waited for.", breaks [R113];
    hard_stop_spares_the_nested: "A hard stop kills the children of the root only.",
        breaks [R61, R63, D16], found by [12] within 2000;
    graces_are_not_cut: "The second signal changes nothing.", breaks [D20], found by [12] within 5000;
    sidecar_outlives_its_primary: "A sidecar runs on when its primary rests.",
        breaks [D15], found by [6] within 2000;
    // Commands.
    reply_is_lost: "A command that came to nothing is not answered.", breaks [D17], found by [18] within 1000;
    second_shutdown_is_unanswered: "Who asks for a shutdown that is under way is not answered.",
        breaks [R115, D20], found by [18] within 1000;
    failure_is_not_answered: "A command that came to nothing is answered as if it were done.",
        breaks [D17], found by [18] within 500;
    idempotent_is_told_twice: "A command that changes nothing is answered twice.",
        breaks [D10], found by [18] within 500;
    hold_is_a_rest: "A child that is paused or quarantined while it runs is only stopped.",
        breaks [D10], found by [7] within 500;
    max_children_off_by_one: "A dynamic supervisor takes one child too many.",
        breaks [R85], found by [17] within 5000;
    apply_restarts_unchanged: "Applying a spec restarts children that it does not change.",
        breaks [R93, D12], found by [31] within 500;
    apply_starts_the_resting: "Applying a spec starts children that rest and that it does not change.",
        breaks [D12], found by [31] within 2000;
    apply_forgets_who_is_yet_to_rest: "A sidecar that rests when its run is gone does so although a new spec frees it.",
        breaks [D12, D15];
    apply_forgets_the_unbound: "A child whose body a new spec took away is not started when a later one gives it one.",
        breaks [D12];
    unbound_sidecar_is_due_for_ever: "A sidecar without a body keeps its delay when its group starts without its primary.",
        breaks [D12, D15];
    refused_spec_changes_the_root: "A spec that is refused changes the settings of the root.",
        breaks [R93, D12], found by [31] within 40000;
    refused_removal_stops: "A child that cannot be removed, because others depend on it, is stopped.",
        breaks [D11], found by [24, 31] within 2000;
    refused_start_forgives: "A start by hand that is refused clears the streak of the child.",
        breaks [R36], found by [10] within 10000;
    apply_keeps_the_gone: "Applying a spec leaves running what it does not name.",
        breaks [D12], found by [30, 31] within 5000;
    health_changes_in_silence: "A child gets well without an event.", breaks [D13], found by [23] within 2000;
    running_supervisor_is_busy: "A supervisor that runs is counted as something left to do.",
        breaks [D20], found by [30] within 50000;
    shutdown_is_answered_at_once: "A shutdown is answered before everybody is down.",
        breaks [R65, R115, D20], found by [18] within 500;
    late_command_is_unanswered: "A command during the shutdown is not answered.",
        breaks [R100, D20], found by [18] within 1000;
    commands_are_refused_during_a_stop: "While somebody is being stopped every command is refused.",
        breaks [R74, D7], found by [18] within 500;
    retry_counts_as_running: "Starting a child that is being retried says that it runs.",
        breaks [R10, D17], found by [18] within 5000;
    restarting_is_started_again: "A child in back-off can be started again by hand.",
        breaks [R36, D17], found by [18] within 2000;
    retry_outlives_terminate: "Terminating a child in back-off changes nothing.",
        breaks [R36, R88], found by [7, 18] within 2000;
    terminated_temporary_stays: "A temporary child that is terminated keeps its row.",
        breaks [R67], found by [7] within 2000;
    failed_start_again_is_retried: "A start by hand that fails is tried again.",
        breaks [R68], found by [7] within 20000;
    no_supervisor_is_not_found: "A supervisor that does not exist is called a child that was not found.",
        breaks [R69], found by [18] within 500;
    dynamic_children_are_deleted: "Dynamic children can be started again and deleted.",
        breaks [R70], found by [18] within 500000;
    static_children_go_by_key: "A static supervisor takes keys.",
        breaks [R71], found by [18] within 500;
    listing_leaves_out_the_ended: "A listing has only what runs.",
        breaks [R72], found by [31] within 500;
    listing_ends_early: "A listing ends after 256 children.", breaks [R76];
    restarting_counts_as_active: "A child in back-off is counted as active.",
        breaks [R36, R73], found by [25] within 2000;
    stopped_children_have_no_spec: "The spec of a child that does not run is not found.",
        breaks [R75], found by [31] within 500;
    permanent_may_be_significant: "A permanent child may be significant.", breaks [R77];
    dynamic_takes_significant: "A dynamic supervisor takes significant children.", breaks [R89];
    nothing_is_forgotten: "The driver is never told that a child is gone for good.",
        breaks [R87, D23], found by [28] within 1000;
    apply_starts_nothing: "Applying a spec declares new children and starts none.",
        breaks [R94, D12], found by [30] within 1000;
    apply_starts_before_it_stops: "Who is new starts while those whom the new spec drops still stop.", breaks [D12];
    apply_fires: "Applying a spec fires automatic shutdown.", breaks [R95], found by [7, 31] within 5000;
    // Telling.
    nested_events_are_lost: "Children of nested supervisors have no events.",
        breaks [R101, D9], found by [22, 23, 25] within 500;
    group_names_nobody: "A group restart does not say who caused it.", breaks [D9], found by [24] within 500;
    escalation_names_the_child: "Who is stopped by an escalation is told of a supervisor that did not give up.",
        breaks [D9], found by [24] within 500;
    wait_names_the_first: "Who waits for several is told to wait for the first, whoever it is.",
        breaks [D9, D11], found by [24] within 2000;
    late_starts_are_commands: "Who starts when its old run is gone at last is told to start for an operator.",
        breaks [D9], found by [6, 24] within 5000;
    critical_counts_as_standard: "A critical child that is down only degrades the whole.",
        breaks [D21], found by [25] within 1000;
    panic_loses_its_place: "A panic is told without its place in the source.", breaks [D14];
    // Chosen by fresh eyes: by somebody who had written none of the checks and not seen how they are made. Those that the
    // simulator has to find it found as it was; the others showed what it does not look at.
    due_retry_leaves_its_group: "A back-off that is over while a group goes down starts its child alone.",
        breaks [R27, D3], found by [6] within 500000;
    abort_wait_runs_with_the_grace: "The wait after a kill is counted from the request to stop.",
        breaks [D8], found by [12] within 500;
    killed_supervisor_is_gentle: "Children of a supervisor whose grace is over keep their own graces.",
        breaks [R63], found by [12] within 10000;
    operators_restart_hurries_nobody: "An operator's restart of a member does not start its group.",
        breaks [D3], found by [6] within 5000;
    operators_restart_unparks: "An operator's restart of a supervisor brings back who was parked below it.",
        breaks [D10], found by [11] within 1000;
    parked_outlives_the_supervisor: "Who was parked stays so when the supervisor is restarted by itself.",
        breaks [R48, D10], found by [11] within 1000;
    earlier_completion_satisfies: "A job that completed in an earlier incarnation satisfies its dependants.",
        breaks [D18];
    unresponsive_satisfies: "Who depends on an unresponsive child does not wait for it.",
        breaks [D8], found by [4] within 10000;
    second_need_is_ignored: "A child waits for the first of those it depends on, and for no other.",
        breaks [D11], found by [4] within 2000;
    restarts_by_hand_are_counted: "The restart count counts the starts that an operator asked for.",
        breaks [D5], found by [2] within 500;
    group_grows_every_streak: "A group restart grows the streak of every member.",
        breaks [D3], found by [10] within 500;
    only_the_first_is_woken: "Of those who wait for a child only the first is woken.",
        breaks [D11], found by [30] within 2000;
    beat_moves_nothing: "A heartbeat does not put off the next miss.",
        breaks [D13], found by [16] within 1000;
    apply_puts_additions_first: "After a new spec added children stand before those it names.",
        breaks [R9, D12], found by [5] within 1000;
    group_revives_the_terminated: "A child that is terminated while its group restarts is started with it.",
        breaks [R36];
    needed_child_is_deleted: "A child that a sibling depends on can be deleted.",
        breaks [D11], found by [18] within 2000;
    failed_child_ends_well: "A stack in which a child has failed ends well.",
        breaks [D20], found by [7] within 10000;
    stack_forgets_who_may_come: "A stack ends by itself though children could be added to a dynamic supervisor.",
        breaks [D20], found by [7] within 20000;
    early_significance_is_lost: "The end of a significant child during the initial start is forgotten.",
        breaks [R78], found by [7] within 5000;
    needed_is_never_asked: "A concurrent stop never comes back to who was needed when it passed.",
        breaks [D19], found by [12, 30] within 5000;
    own_budget_is_the_only_one: "A child with a budget of its own is not charged to its supervisor.",
        breaks [D4], found by [7, 8] within 1000;
    later_graces_are_whole: "The second signal cuts the graces that run, and none that begins later.",
        breaks [D20], found by [12] within 20000;
    line_does_not_wait: "Those who go down with a child are all asked at once.",
        breaks [D10], found by [5] within 20000;
    dependants_go_down_forward: "Those who go down with a child are stopped in the order of their start.",
        breaks [D11], found by [5] within 100000;
    run_lasts_from_its_spawn: "How long a run lasts is counted from its spawn, not from its start.",
        breaks [D3], found by [10] within 10000;
    resume_restarts_what_runs: "Resuming a child that runs restarts it.",
        breaks [D10], found by [6] within 500;
    paused_is_quarantine_enough: "Quarantining a paused child leaves it paused.",
        breaks [D10], found by [18] within 500;
    other_childs_message_is_heard: "A message about a child that had the place before is taken for one about the present child.",
        breaks [D5], found by [3] within 500;
    jitter_only_delays: "The jitter makes delays longer only.",
        breaks [D3];
    spared_child_takes_others_down: "Who was to be removed and is named by a new spec still takes those down who depend on it.",
        breaks [D11, D12];
    earlier_restart_outlasts_the_start: "A restart that waits for its turn undoes what a later start promises.",
        breaks [R68];
    sidecar_rests_with_the_highest: "A group leaves a sidecar behind whose primary runs, because the primary of that is parked.",
        breaks [D15];
}
