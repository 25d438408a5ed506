//! The simulator itself: seeds break nothing, the same seed gives the same trace, and marks are counted.

use std::collections::BTreeSet;

use supervisor_api::policy::Backoff;
use supervisor_testkit::sim::{Batch, Fault, Marker, Options, Seeds, Simulator, Size, check_tree};
use supervisor_testkit::*;

fn batch(from: u64, count: u64, size: Option<Size>) -> Batch {
    Seeds { from, count: Some(count), size, jobs: 2 }.run(&|_, _| true, &|_, _| {})
}

#[test]
fn seeds_of_every_mix_break_nothing() {
    for (size, count) in [(Size::Full, 300), (Size::Small, 600)] {
        let batch = batch(6_000_000, count, Some(size));
        assert_eq!(batch.faults, [], "cargo xtask sim --seed S tells more");
        assert_eq!((batch.seeds, batch.violations), (count, 0));
        assert!(
            batch.shortest >= 50,
            "a schedule has {} inputs of trees that have not ended",
            batch.shortest
        );
        if size == Size::Full {
            assert!(batch.full_steps / batch.full >= 200, "{} steps", batch.full_steps / batch.full);
        }
    }
}

/// In this one a supervisor starts in 2.4 s or not at all, and below it somebody waits for a job that runs on.
#[test]
fn a_start_that_is_tried_for_ever_as_its_spec_says_is_no_fault() {
    assert_eq!(batch(1_040_838_777, 1, Some(Size::Full)).faults, []);
}

/// In this one an operator ends a job that its group stops already and that is slow to die: its sidecar is one of the
/// group as long as the job is not down.
#[test]
fn a_sidecar_of_who_is_stuck_and_to_rest_is_one_of_its_group() {
    assert_eq!(batch(1_050_230_647, 1, Some(Size::Full)).faults, []);
}

/// In this one a child that is to be restarted, with those who depend on it, is stopped before they are, because it is
/// unwell: they go down all the same.
#[test]
fn who_goes_down_with_a_child_goes_down_also_when_that_was_unwell_first() {
    assert_eq!(batch(1_243_197_243, 1, Some(Size::Full)).faults, []);
}

#[test]
fn a_change_comes_out_as_planned_and_its_way_back_leads_back() {
    let batch = batch(6_000_000, 1_500, Some(Size::Changes));
    assert_eq!(batch.faults, [], "cargo xtask sim --changes --seed S tells more");
    assert!(batch.changes > 2_000, "{} new specs changed something", batch.changes);
}

#[test]
fn the_same_seed_gives_the_same_trace_and_another_seed_another() {
    let (mut one, mut other) = (Simulator::default(), Simulator::default());
    let mut digests = BTreeSet::new();
    for seed in 0..60 {
        for size in [Size::Full, Size::Small] {
            // The second simulator comes from other seeds, so that nothing they leave behind can matter.
            other.run(seed + 1_000, size);
            let (first, second) = (one.hashed(seed, size), other.hashed(seed, size));
            assert_eq!(first, second, "seed {seed} {size:?}");
            digests.insert(first.digest.expect("it was hashed"));
        }
    }
    assert_eq!(digests.len(), 120);
    assert_eq!(one.trace(7, Size::Full), other.trace(7, Size::Full), "line by line");
    assert_ne!(one.trace(7, Size::Full), other.trace(8, Size::Full));
}

/// In this one a new spec reorders a group that starts, which then fails: who an operator started meanwhile may be a
/// member of it or not, and is no fault of the second start.
#[test]
fn who_may_be_a_member_of_a_group_may_be_started_with_it() {
    assert_eq!(batch(1_252_680_741, 1, Some(Size::Full)).faults, []);
}

/// In this one a group took down whom somebody else had started before its turn.
#[test]
fn a_group_over_a_new_order_leaves_whom_somebody_else_started() {
    assert_eq!(batch(1_261_296_996, 1, Some(Size::Full)).faults, []);
}

/// In this one a supervisor was restarted before the turn of a child that a start of its children was to leave out.
#[test]
fn who_was_to_be_left_out_has_its_turn_in_a_new_incarnation() {
    assert_eq!(batch(1_271_122_890, 1, Some(Size::Full)).faults, []);
}

/// In this one a new child that is parked when the start would come by it goes on being a member of the group.
#[test]
fn a_parked_child_is_none_that_somebody_else_started() {
    assert_eq!(batch(1_272_111_299, 1, Some(Size::Full)).faults, []);
}

/// In this one a child that others go down with is up again and gives up again, while they still go down: who started
/// in between does not go down before them.
#[test]
fn who_started_before_a_second_end_goes_down_after_the_line_of_the_first() {
    assert_eq!(batch(1_273_623_385, 1, Some(Size::Full)).faults, []);
}

/// In this one a new spec frees a sidecar that is to rest when its run is gone at last.
#[test]
fn a_sidecar_that_is_freed_before_its_run_is_gone_is_started() {
    assert_eq!(batch(1_300_473_712, 1, Some(Size::Full)).faults, []);
}

/// The same with a child that is no job, and of which the end is waited for.
#[test]
fn a_start_that_waits_for_an_end_that_never_comes_is_no_fault() {
    assert_eq!(batch(1_310_247_777, 1, Some(Size::Full)).faults, []);
}

/// In this one a restart waits for its turn, with a child that is to go down with it, and a group restarts both of them.
#[test]
fn who_was_restarted_with_its_group_does_not_go_down_for_a_restart_that_is_done() {
    assert_eq!(batch(1_324_102_459, 1, Some(Size::Full)).faults, []);
}

/// In this one a sidecar that is to be parked goes down with its primary before those who depend on it, and is up again
/// when their turn comes.
#[test]
fn who_depends_on_a_sidecar_goes_down_for_it_also_when_it_is_up_again() {
    assert_eq!(batch(1_326_471_499, 1, Some(Size::Full)).faults, []);
}

/// In this one a child that needs no more than the start of another starts on its new run while those go down that ran with
/// the old one.
#[test]
fn who_starts_on_the_new_run_of_a_child_does_not_go_down_for_the_old_one() {
    assert_eq!(batch(1_753_338_255_785_664, 1, Some(Size::Full)).faults, []);
}

/// In this one a group that waits has lost the child that it began for, and the next one to fail was the last that needed one
/// of its members.
#[test]
fn who_was_needed_goes_down_for_the_group_that_waited_for_it() {
    assert_eq!(batch(1_341_741_986, 1, Some(Size::Full)).faults, []);
}

/// In this one a scheduled job, which waits because the child that it needs took it down, goes down with its group, and a
/// new spec takes away its schedule.
#[test]
fn a_run_that_a_dependency_cut_short_is_had_with_the_group() {
    assert_eq!(batch(1_362_604_123, 1, Some(Size::Full)).faults, []);
}

/// In this one a child is terminated and started again while those who ran with it still go down, one after another.
#[test]
fn who_ran_with_a_run_that_was_terminated_goes_down_for_it() {
    assert_eq!(batch(1_342_147_281, 1, Some(Size::Full)).faults, []);
}

/// In this one a new spec makes a supervisor dynamic to whom a child with a sidecar was added, and that is taken down.
#[test]
fn a_supervisor_that_became_dynamic_asks_all_at_once() {
    assert_eq!(batch(1_374_601_823, 1, Some(Size::Full)).faults, []);
}

/// In this one a new spec restarts a child that was to be started with its group, whose start has not come by it, and
/// another one comes while that start is still on its way.
#[test]
fn the_start_of_a_group_has_not_come_by_whom_a_new_spec_restarts() {
    assert_eq!(batch(1_374_596_894, 1, Some(Size::Full)).faults, []);
}

/// In this one the start of a group has gone on behind a job that failed, and that an operator has started again since.
#[test]
fn who_starts_again_behind_the_start_of_a_group_does_not_hold_it_up() {
    assert_eq!(batch(1_374_093_357, 1, Some(Size::Full)).faults, []);
}

/// In this one the child that is terminated is the last that the start of its supervisor waits for, and a significant
/// sibling has ended before: the supervisor is up, ends for it, and comes back with all of its children.
#[test]
fn who_was_terminated_comes_back_with_its_supervisor() {
    assert_eq!(batch(1_378_831_421, 1, Some(Size::Full)).faults, []);
}

/// In this one a new spec keeps a child that was still to be removed, for which others stand in line to go down.
#[test]
fn nobody_goes_down_for_who_was_to_be_removed_and_is_kept() {
    assert_eq!(batch(1_382_587_811, 1, Some(Size::Full)).faults, []);
}

/// In this one a child is restarted and has to wait for its turn, goes down with its group, and is started by an operator.
#[test]
fn a_restart_that_waits_for_its_turn_does_not_undo_a_later_start() {
    assert_eq!(batch(1_384_638_423, 1, Some(Size::Full)).faults, []);
}

/// In this one a supervisor that a new spec drops is not ready in time, while its removal waits for its turn.
#[test]
fn a_supervisor_that_is_dropped_and_late_is_not_started_again() {
    assert_eq!(batch(1_753_418_240_895_497, 1, Some(Size::Full)).faults, []);
}

/// In these the primary of a sidecar runs although its own is parked, when a group comes by the sidecar.
#[test]
fn a_sidecar_whose_primary_runs_is_started_with_its_group() {
    for seed in [1_401_985_178, 1_409_197_220] {
        assert_eq!(batch(seed, 1, Some(Size::Full)).faults, [], "{seed}");
    }
}

/// In this one a child fails again, and is parked by its budget, while those still go down who ran with its first run.
#[test]
fn nobody_goes_down_for_a_child_that_its_budget_parks() {
    assert_eq!(batch(1_408_200_216, 1, Some(Size::Full)).faults, []);
}

/// In this one a group takes the place of the initial start, which would have come by a sidecar of whom the primary is gone.
#[test]
fn a_sidecar_without_its_primary_is_started_with_whoever_comes_by() {
    assert_eq!(batch(1_408_292_256, 1, Some(Size::Full)).faults, []);
}

/// In this one a scheduled job is resumed, which rests until its time comes, and its sidecar is started by hand.
#[test]
fn a_scheduled_job_that_is_resumed_is_not_asked_for_any_more() {
    assert_eq!(batch(1_413_110_082, 1, Some(Size::Full)).faults, []);
}

#[test]
fn a_batch_counts_what_it_reached_and_names_what_it_did_not() {
    let few = batch(0, 2, None).markers();
    let many = batch(0, 400, None).markers();
    assert!(many.len() >= 60 && few.len() == many.len());
    let hit = |markers: &[Marker]| markers.iter().filter(|marker| marker.hits > 0).count();
    assert!(hit(&few) < hit(&many), "{} and {}", hit(&few), hit(&many));
    let stopped = |marker: &&Marker| marker.name == "event ChildStopping";
    assert!(many.iter().find(stopped).is_some_and(|marker| marker.hits > 400));
    let names: BTreeSet<_> = many.iter().map(|marker| &marker.name).collect();
    assert_eq!(names.len(), many.len(), "every mark has a name of its own");
}

#[test]
fn every_second_seed_of_a_mix_is_small() {
    let batch = batch(0, 40, None);
    assert_eq!((batch.seeds, batch.full), (40, 20));
}

#[test]
fn a_tree_of_the_users_is_simulated_and_one_with_mistakes_refused() {
    let tree = one_for_all([perm("a"), service("b").after(["a"]), sup("c", dynamic(2))]);
    let options = Options { seeds: 40, ..Options::default() };
    let report = check_tree(&tree.decl(), options).expect("the tree has no mistakes");
    assert_eq!((report.seeds, report.findings.as_slice()), (40, &[][..]));
    assert!(report.steps > 40 * 20, "{} steps", report.steps);

    let findings = check_tree(&one_for_one([perm("a"), perm("a")]).decl(), options).unwrap_err();
    assert!(findings.iter().any(|finding| finding.message.contains("used twice")), "{findings:?}");
}

#[test]
fn a_tree_that_cannot_come_to_rest_is_found_and_told_in_few_lines() {
    let hasty = service("a").explicit().within(std::time::Duration::from_nanos(1)).backoff(Backoff::none());
    let tree = one_for_one([hasty]).unlimited().retries_start();
    let report = check_tree(&tree.decl(), Options::default()).expect("the tree has no mistakes");
    let [finding] = report.findings.as_slice() else { panic!("{} findings", report.findings.len()) };
    assert!(
        matches!(finding.fault, Fault::Broken { invariant: Invariant::Convergence, .. }),
        "{}",
        finding.fault
    );
    assert!(finding.trace.iter().any(|line| line.contains("the calm: faults stop")), "{:?}", finding.trace);
    assert!(finding.minimal);
}
