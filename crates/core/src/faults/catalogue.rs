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
        breaks [R43, R118, D17], found by [7, 8] within 2000;
    restart_by_hand_clears_the_log: "An operator's restart clears the budget of the supervisor.",
        breaks [R52, D17], found by [7, 8] within 2000;
    resume_keeps_the_budget: "A resumed child keeps the charges of its own budget.",
        breaks [D4, D10], found by [7, 8] within 5000;
    quarantine_charges_the_supervisor:
        "A child that is quarantined when it fails too often is charged to its supervisor too.",
        breaks [D4], found by [7, 8] within 2000;
    weaker_action_wins: "When two budgets are exhausted, the weaker action is taken.",
        breaks [D4], found by [7] within 5000;
    incarnation_keeps_its_charges: "A restarted supervisor keeps the charges of its last incarnation.",
        breaks [R48], found by [7, 8] within 2000;
    unresponsive_is_charged: "The late restart of a child that did not die in time is charged.",
        breaks [D8], found by [7, 8] within 5000;
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
        breaks [R30, D3], found by [7, 8] within 2000;
    unhealthy_is_let_be: "A child that was stopped as unhealthy is not restarted.",
        breaks [D13], found by [7, 30] within 2000;
    escalation_is_a_crash:
        "A supervisor that gave up has ended badly for its parent, so a transient one is restarted.",
        breaks [R47], found by [7] within 5000;
    escalation_comes_twice: "A supervisor that gives up says so twice.", breaks [R46], found by [9] within 1000;
    escalation_is_lost: "The parent of a supervisor that gave up never learns it.",
        breaks [R46, R47], found by [7, 9, 12, 30] within 1000;
    escalation_leaves_an_orphan: "The last child of a supervisor that gives up is not stopped.",
        breaks [R46], found by [1, 5, 11, 30] within 1000;
    quarantine_stops_siblings: "Under a group strategy the siblings of a child that is quarantined are restarted.",
        breaks [D4], found by [6] within 2000;
    // Strategies.
    siblings_stay_up: "A failed child is restarted alone, whatever the strategy.",
        breaks [R23, R24, R42], found by [6] within 500;
    one_for_all_spares_the_earlier: "one_for_all leaves earlier children alone.",
        breaks [R23], found by [6] within 500;
    rest_for_one_takes_all: "rest_for_one takes earlier children too.", breaks [R24], found by [6] within 500;
    temporary_sibling_comes_back: "A temporary child that was stopped for its group is started again.",
        breaks [R26], found by [6, 7] within 2000;
    group_revives_jobs: "A group restart runs a job again that had its run.",
        breaks [D18], found by [6, 7] within 2000;
    group_revives_paused: "A group restart starts a paused child.", breaks [D10], found by [11] within 2000;
    group_starts_early: "A group is started before it is down.", breaks [R27], found by [1, 6] within 1000;
    // Starting.
    dependant_does_not_wait: "A child starts while one it depends on is not ready.",
        breaks [D11], found by [4] within 500;
    failed_job_satisfies: "A job that failed satisfies its dependants.", breaks [D11], found by [4] within 2000;
    running_job_satisfies: "A job that still runs satisfies its dependants.", breaks [D11], found by [4] within 2000;
    ready_means_spawned: "A child that reports readiness counts as started when it is spawned.",
        breaks [R1, D19], found by [4, 15] within 500;
    ready_is_told_again: "A second report of readiness is told.", breaks [D19], found by [15] within 500;
    generation_is_reused: "A restarted run has the number of the one before.",
        breaks [R31, D5], found by [2] within 500;
    late_message_is_heard: "A message of an older run is taken for one of the present run.",
        breaks [R21, D5], found by [3] within 500;
    wake_is_lost: "Who waits for a child is not woken when that is ready.", breaks [D11], found by [30] within 500;
    failed_addition_is_kept: "A child that was added and fails to start stays and is tried again.",
        breaks [R11], found by [7, 18] within 2000;
    no_start_timeout: "A start may take for ever.", breaks [D19], found by [30] within 1000;
    beat_counts_from_spawn: "The first heartbeat is awaited from the spawn of the run, not from its start.",
        breaks [D13], found by [16] within 2000;
    beat_forgives_nothing: "A heartbeat does not clear the misses before it.",
        breaks [D13], found by [7, 16] within 2000;
    one_miss_too_many: "A child is unhealthy one miss too late.", breaks [D13], found by [7, 16] within 2000;
    // Stopping.
    stops_forward: "Children are stopped in the order in which they started.",
        breaks [R46, R53], found by [5] within 500;
    stops_all_at_once: "A static supervisor asks all its children to stop at once.",
        breaks [R53], found by [5] within 500;
    dynamic_stops_in_turn: "A dynamic supervisor stops its children one at a time.",
        breaks [R54], found by [5, 12] within 2000;
    needed_is_stopped: "A concurrent stop asks a child while somebody who runs depends on it.",
        breaks [D19], found by [5] within 2000;
    retry_beats_shutdown: "A retry that comes due during the shutdown is carried out.",
        breaks [R39, R64], found by [11] within 2000;
    taken_for_dead: "A child that was killed counts as gone, though it may still run.",
        breaks [R57, D8], found by [1] within 1000;
    unresponsive_is_started: "A group restart starts a child whose old run does not die.",
        breaks [D6, D8], found by [1] within 2000;
    grace_never_ends: "A child that does not stop is never killed.", breaks [R55, D8], found by [12, 30] within 1000;
    terminate_fires: "Terminating a significant child ends its supervisor.",
        breaks [R80], found by [7, 9] within 5000;
    // Commands.
    reply_is_lost: "A command that came to nothing is not answered.", breaks [D17], found by [18] within 1000;
    second_shutdown_is_unanswered: "Who asks for a shutdown that is under way is not answered.",
        breaks [R115, D20], found by [18] within 500;
    idempotent_is_told_twice: "A command that changes nothing is answered twice.",
        breaks [D10], found by [18] within 500;
    max_children_off_by_one: "A dynamic supervisor takes one child too many.",
        breaks [R85], found by [17] within 1000;
    apply_restarts_unchanged: "Applying a spec restarts children that it does not change.",
        breaks [R93, D12], found by [31] within 500;
    apply_keeps_the_gone: "Applying a spec leaves running what it does not name.",
        breaks [D12], found by [30, 31] within 2000;
    health_changes_in_silence: "A child gets well without an event.", breaks [D13], found by [23] within 2000;
    running_supervisor_is_busy: "A supervisor that runs is counted as something left to do.",
        breaks [D20], found by [25, 30] within 5000;
}
