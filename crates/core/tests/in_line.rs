//! Stops that wait for their turn: what a command wants of a child that stands in the line of its supervisor, and
//! what happens to that child meanwhile (D10, D11, D17).

use supervisor_api::policy::{Condition, Heartbeat, RestartType};
use supervisor_api::{Exit, Lifecycle};
use supervisor_core::{Input, Ticket};
use supervisor_testkit::*;

/// A command on a child.
type Call = fn(&mut Bench, &str) -> Ticket;

/// The child whose dependants go down before it does.
fn db() -> Child {
    perm("db").restart_dependants()
}

/// Its dependant, which needs a second for that.
fn api() -> Child {
    perm("api").after(["db"]).always(Run::healthy().stops_after(secs(1)))
}

fn boom(name: &str) -> (&str, Exit) {
    (name, Exit::failed("boom"))
}

#[test]
fn d10_d11_a_restart_that_waits_for_dependants_is_done_by_the_end_of_the_child_and_not_charged() {
    for (name, exit) in [boom("db"), ("db", Exit::Completed)] {
        let mut bench = Bench::launch(one_for_one([db(), api()]).budget(0, secs(60)));
        let restart = bench.restart("db");
        bench.end(name, exit);
        assert_eq!(bench.ended(), None, "nothing is charged");
        bench.pass(secs(5));
        assert_eq!(bench.outcome(restart).failure, None);
        assert_eq!((bench.generation("db"), bench.generation("api")), (2, 2), "each was restarted once");
        assert_eq!(["db", "api"].map(|name| bench.state(name)), [Lifecycle::Running; 2]);
        assert_eq!((bench.row("db").attempt, bench.row("db").restart_count), (0, 0));
        assert!(!bench.take().contains(&"stop db".to_owned()), "it is not stopped again");
    }
}

#[test]
fn d10_d11_a_quarantine_that_waits_for_dependants_is_done_by_the_end_of_the_child_and_not_charged() {
    for (call, state) in
        [(Bench::quarantine as Call, Lifecycle::Quarantined), (Bench::pause, Lifecycle::Paused)]
    {
        let mut bench = Bench::launch(one_for_one([db(), api()]).budget(0, secs(60)));
        bench.take();
        let ticket = call(&mut bench, "db");
        bench.crash("db");
        assert_eq!(bench.state("db"), state, "it is done at once");
        assert_eq!(bench.outcome(ticket).failure, None);
        bench.pass(secs(5));
        assert_eq!(bench.take(), ["stop api", "down db: failed: boom", "down api"]);
        assert_eq!((bench.state("db"), bench.state("api")), (state, Lifecycle::Waiting));
        assert_eq!(bench.ended(), None);
    }
}

/// What each command on a child leads to.
const COMMANDS: [(Call, Lifecycle, u64); 3] = [
    (Bench::restart, Lifecycle::Running, 2),
    (Bench::quarantine, Lifecycle::Quarantined, 1),
    (Bench::pause, Lifecycle::Paused, 1),
];

#[test]
fn d10_d13_a_command_that_waits_for_dependants_is_done_by_the_end_of_an_unhealthy_child_uncharged() {
    let promise = Heartbeat { interval: secs(60), timeout: secs(1), max_retries: 1 };
    for (call, state, generation) in COMMANDS {
        let db = db().heartbeat(promise).always(Run::healthy().stops_after(ms(50)));
        let mut bench = Bench::launch(one_for_one([db, api()]).budget(0, secs(60)));
        let ticket = call(&mut bench, "db");
        bench.miss("db", "no answer");
        assert_eq!(bench.state("db"), Lifecycle::Stopping);
        assert!(bench.reply(ticket).is_none(), "it is not done before the run is gone");
        bench.pass(ms(50));
        assert_eq!((bench.state("db"), bench.generation("db")), (state, generation));
        assert_eq!(bench.outcome(ticket).failure, None);
        bench.pass(secs(5));
        assert_eq!((bench.state("db"), bench.generation("db")), (state, generation), "it was done once");
        assert_eq!((bench.ended(), bench.row("db").restart_count), (None, 0), "nothing is charged");
    }
}

#[test]
fn d10_d19_a_command_that_waits_for_its_turn_is_done_by_the_end_of_a_child_that_came_up_too_late() {
    for (call, state, generation) in COMMANDS {
        let x = perm("x").explicit().restart_dependants().within(ms(100));
        let x = x.run(2, Run::never_ready().stops_after(ms(50)));
        let mut bench = Bench::launch(one_for_one([db(), api(), x]).budget(1, secs(60)));
        bench.crash("x");
        assert_eq!((bench.state("x"), bench.generation("x")), (Lifecycle::Starting, 2));
        bench.restart("db");
        let ticket = call(&mut bench, "x");
        bench.pass(ms(100));
        assert_eq!(bench.state("x"), Lifecycle::Stopping, "it is too late, and its turn has not come");
        bench.pass(secs(5));
        assert_eq!((bench.state("x"), bench.generation("x")), (state, generation + 1));
        assert_eq!(bench.outcome(ticket).failure, None);
        assert_eq!((bench.ended(), bench.row("x").restart_count), (None, 1), "the crash alone is charged");
    }
}

#[test]
fn d17_a_restart_that_waits_for_its_turn_is_not_answered_when_the_old_run_becomes_ready() {
    let x = perm("x").explicit().restart_dependants().run(2, Run::ready_after(ms(100)));
    let mut bench = Bench::launch(one_for_one([db(), api(), x]));
    bench.crash("x");
    bench.restart("db");
    let restart = bench.restart("x");
    bench.pass(ms(100));
    assert_eq!((bench.state("x"), bench.generation("x")), (Lifecycle::Running, 2));
    assert!(bench.reply(restart).is_none(), "it has not been restarted");
    bench.pass(secs(5));
    assert_eq!((bench.state("x"), bench.generation("x")), (Lifecycle::Running, 3));
    assert_eq!(bench.outcome(restart).generation, 3);
}

#[test]
fn d17_d12_a_removal_that_waits_for_its_turn_is_answered_when_a_new_spec_names_the_child_again() {
    let tree = || one_for_one([db(), api(), perm("x").restart_dependants()]);
    let mut bench = Bench::launch(tree());
    bench.restart("db");
    let removal = bench.remove("x");
    assert!(bench.reply(removal).is_none(), "it waits behind api");
    bench.apply(tree());
    assert!(bench.outcome(removal).failure.is_some(), "it was not removed, and that is said");
    bench.pass(secs(5));
    assert_eq!((bench.state("x"), bench.generation("x")), (Lifecycle::Running, 1));
    assert_eq!(bench.unanswered(), [0; 0]);
}

#[test]
fn r67_d10_a_terminate_takes_the_place_of_a_restart_that_waits_for_its_turn() {
    let mut bench = Bench::launch(one_for_one([db(), api()]));
    bench.take();
    let restart = bench.restart("db");
    let terminate = bench.terminate("db");
    bench.ok(terminate);
    bench.pass(secs(5));
    assert_eq!(bench.take(), ["stop api", "stop db", "down db", "down api"], "nothing is started");
    assert_eq!((bench.state("db"), bench.state("api")), (Lifecycle::Stopped, Lifecycle::Waiting));
    assert!(bench.outcome(restart).failure.is_some());
}

/// `x` waits in the line behind `db`, which waits for `api`; then its group goes down and up, with or without it.
fn x_waits_while_its_group_goes_down(call: Call) -> (Bench, Ticket) {
    let tree = rest_for_one([db(), api(), perm("first"), perm("x").restart_dependants()]);
    let mut bench = Bench::launch(tree);
    bench.restart("db");
    bench.take();
    let ticket = call(&mut bench, "x");
    assert_eq!(bench.take(), [""; 0], "its turn has not come");
    bench.crash("first");
    (bench, ticket)
}

#[test]
fn d10_r27_a_pause_that_waits_for_its_turn_is_done_when_the_group_stops_the_child() {
    for (call, state) in
        [(Bench::pause as Call, Lifecycle::Paused), (Bench::quarantine, Lifecycle::Quarantined)]
    {
        let (mut bench, ticket) = x_waits_while_its_group_goes_down(call);
        assert_eq!(bench.take(), ["down first: failed: boom", "stop x", "down x", "start first"]);
        assert_eq!((bench.state("x"), bench.generation("x")), (state, 1));
        assert_eq!(bench.outcome(ticket).failure, None);
        bench.pass(secs(5));
        assert_eq!(bench.take(), ["down api", "stop db", "down db", "start db", "start api"]);
    }
}

#[test]
fn d10_r27_a_restart_that_waits_for_its_turn_is_done_when_the_group_restarts_the_child() {
    let (mut bench, ticket) = x_waits_while_its_group_goes_down(Bench::restart);
    assert_eq!(bench.take(), ["down first: failed: boom", "stop x", "down x", "start first", "start x"]);
    assert_eq!(bench.outcome(ticket).failure, None);
    bench.pass(secs(5));
    assert_eq!(bench.take(), ["down api", "stop db", "down db", "start db", "start api"], "not once more");
    assert_eq!((bench.state("x"), bench.generation("x")), (Lifecycle::Running, 2));
}

/// `x` is restarted by command for its missed beats before its turn to go down with `db` comes; `web` is first.
#[test]
fn d10_d11_a_child_that_is_restarted_before_its_turn_starts_after_its_dependency_is_restarted() {
    let beats = Heartbeat { interval: ms(800), timeout: ms(200), max_retries: 1 };
    let x = perm("x").after(["db"]).heartbeat(beats).always(Run::healthy().stops_after(ms(500)));
    let web = perm("web").after(["db"]).always(Run::healthy().stops_after(secs(2)));
    let mut bench = Bench::launch(one_for_one([db(), x, web]));
    bench.take();
    bench.restart("db");
    bench.pass(ms(1200));
    assert_eq!(bench.state("x"), Lifecycle::Stopping, "it is unhealthy");
    let restart = bench.restart("x");
    bench.pass(ms(1500));
    let down = ["stop web", "stop x", "down x", "down web", "stop db", "down db"];
    assert_eq!(bench.take(), [&down[..], &["start db", "start x", "start web"]].concat());
    assert_eq!(bench.outcome(restart).failure, None);
}

#[test]
fn d10_d17_a_restart_whose_turn_does_not_come_is_not_called_done() {
    let mut bench = Bench::launch(one_for_one([db(), api(), perm("other")]).budget(0, secs(60)));
    let restart = bench.restart("db");
    bench.crash("other");
    let outcome = bench.outcome(restart);
    assert_eq!(
        (outcome.state_after, outcome.generation),
        (Lifecycle::Running, 1),
        "its supervisor gave up first"
    );
    assert!(outcome.failure.is_some(), "it was not restarted");
}

#[test]
fn r29_d17_a_start_again_that_a_group_takes_over_and_does_not_come_to_is_not_called_done() {
    let slow = perm("slow").explicit().run(2, Run::never_ready());
    let mut bench = Bench::launch(one_for_all([slow, tran("done")]).budget(1, secs(60)));
    bench.end("done", Exit::Completed);
    bench.crash("slow");
    let start = bench.start_again("done");
    bench.crash("slow");
    let outcome = bench.outcome(start);
    assert_eq!(
        (outcome.state_after, outcome.generation),
        (Lifecycle::Completed, 1),
        "its supervisor gave up first"
    );
    assert!(outcome.failure.is_some(), "it was not started");
}

#[test]
fn d10_d15_a_pause_of_a_sidecar_that_waits_for_its_turn_is_done_when_it_stops_with_its_primary() {
    let log = sidecar("log", "web").restart_dependants();
    let user = perm("user").after(["log"]).always(Run::healthy().stops_after(secs(1)));
    let mut bench =
        Bench::launch(one_for_one([perm("never").unbound(), log, perm("web").after(["never"]), user]));
    let pause = bench.pause("log");
    bench.pause("web");
    bench.pass(secs(5));
    assert_eq!((bench.state("log"), bench.state("web")), (Lifecycle::Paused, Lifecycle::Paused));
    let outcome = bench.outcome(pause);
    assert_eq!((outcome.state_after, &outcome.failure), (Lifecycle::Paused, &None));
}

/// A restart of a job whose old run does not die is done when it is gone, also if its group comes by once more: the
/// group itself would not run it again.
#[test]
fn d18_d8_a_restart_of_an_unresponsive_job_is_not_lost_when_its_group_goes_down_again() {
    let job = job("j").grace(ms(10)).abort_wait(ms(10)).always(Run::healthy().immortal());
    let slow = perm("s").always(Run::healthy().stops_after(secs(1)));
    let mut bench = Bench::launch(one_for_all([perm("a"), job, slow]).budget(5, secs(60)));
    bench.restart("j");
    bench.pass(secs(1));
    assert_eq!(bench.state("j"), Lifecycle::Unresponsive);
    bench.crash("a");
    bench.end("j", Exit::Aborted);
    assert_eq!(bench.state("j"), Lifecycle::Stopped, "its group is on its way down");
    bench.pass(secs(2));
    assert_eq!(["a", "j", "s"].map(|name| bench.state(name)), [Lifecycle::Running; 3]);
    assert_eq!(bench.generation("j"), 2);
}

/// `slow` holds up the line, meanwhile `db` is up again, and so is `last`; then `db` fails once more.
#[test]
fn d11_who_waits_to_go_down_and_who_joins_it_go_in_reverse_of_their_order() {
    let needy = |name| perm(name).after(["db"]).always(Run::healthy());
    let slow = perm("slow").after(["db"]).always(Run::healthy().stops_after(secs(5)));
    let mut bench =
        Bench::launch(one_for_one([db(), needy("first"), slow, needy("last")]).budget(9, secs(60)));
    bench.crash("db");
    bench.pass(secs(1));
    assert_eq!(["first", "slow"].map(|name| bench.state(name)), [Lifecycle::Running, Lifecycle::Stopping]);
    bench.restart("last");
    assert_eq!(bench.state("last"), Lifecycle::Running);
    bench.take();
    bench.crash("db");
    bench.pass(secs(9));
    let stops: Vec<String> = bench.take().into_iter().filter(|line| line.starts_with("stop ")).collect();
    assert_eq!(stops, ["stop last", "stop first"]);
    assert_eq!(bench.generation("first"), 2, "it went down once");
}

/// `api` holds up the line, and `x`, which would go down with dependants of its own, still starts.
#[test]
fn d10_d11_a_hold_that_waits_for_its_turn_is_done_when_the_child_declines_to_start() {
    let holds: [(Call, Lifecycle); 3] = [
        (Bench::pause, Lifecycle::Paused),
        (Bench::quarantine, Lifecycle::Quarantined),
        (Bench::remove, Lifecycle::Removed),
    ];
    for (call, state) in holds {
        let x = perm("x").explicit().restart_dependants().always(Run::never_ready());
        let mut bench = Bench::launch(one_for_one([db(), api(), x]).budget(0, secs(60)));
        bench.pause("db");
        let ticket = call(&mut bench, "x");
        assert_eq!(bench.state("x"), Lifecycle::Starting, "it waits for its turn");
        bench.say(Input::Declined { key: bench.key("x"), generation: 1, reason: "not today".into() });
        let outcome = bench.outcome(ticket);
        assert_eq!((outcome.state_after, &outcome.failure), (state, &None));
        bench.take();
        bench.pass(secs(5));
        assert!(!bench.take().contains(&"start x".to_owned()), "it is not started again");
    }
}

/// `slow` holds up the line, and meanwhile what all wait for is done.
#[test]
fn d11_who_went_down_with_a_sibling_waits_until_all_that_go_are_down_also_when_that_one_is_done() {
    let needy = |name| perm(name).after(["set-up"]).always(Run::healthy());
    let slow = perm("slow").after(["set-up"]).always(Run::healthy().stops_after(secs(1)));
    let set_up = tran("set-up").restart_dependants();
    let mut bench =
        Bench::launch(one_for_one([set_up, needy("first"), slow, needy("last")]).budget(9, secs(60)));
    bench.crash("set-up");
    assert_eq!(["slow", "last"].map(|name| bench.state(name)), [Lifecycle::Stopping, Lifecycle::Waiting]);
    bench.end("set-up", Exit::Completed);
    assert_eq!(["first", "last"].map(|name| bench.state(name)), [Lifecycle::Running, Lifecycle::Waiting]);
    bench.pass(secs(5));
    for name in ["first", "slow", "last"] {
        assert_eq!((bench.state(name), bench.generation(name)), (Lifecycle::Running, 2), "{name}");
    }
}

/// `api` holds up the line; the sibling that `user` would go down with is gone for good before its turn comes.
#[test]
fn d11_who_stands_in_line_for_a_sibling_that_leaves_the_tree_stays_up() {
    let brief = sidecar("brief", "user").restart(RestartType::Temporary).restart_dependants();
    let user = perm("user").after(["calm"]);
    let mut bench = Bench::launch(one_for_one([db(), api(), brief, perm("calm"), user]).budget(9, secs(60)));
    bench.restart("db");
    bench.restart("brief");
    assert_eq!(["api", "user"].map(|name| bench.state(name)), [Lifecycle::Stopping, Lifecycle::Running]);
    bench.terminate("brief");
    bench.pass(secs(5));
    assert_eq!(bench.find("brief"), None);
    assert_eq!((bench.state("user"), bench.generation("user")), (Lifecycle::Running, 1));
}

/// `slow` is the last of its supervisor, which is on its way down.
#[test]
fn d10_d11_a_hold_while_the_supervisor_ends_is_done_in_the_order_of_that() {
    let slow = perm("slow").after(["db"]).always(Run::healthy().stops_after(secs(1)));
    let below = one_for_one([db(), api(), slow]);
    let mut bench = Bench::launch(one_for_one([sup("below", below)]).budget(0, secs(60)));
    bench.pause("below");
    assert_eq!(
        ["below/db", "below/slow"].map(|name| bench.state(name)),
        [Lifecycle::Running, Lifecycle::Stopping]
    );
    bench.take();
    let ticket = bench.pause("below/db");
    bench.pass(secs(5));
    assert_eq!(
        bench.take(),
        ["down below/slow", "stop below/api", "down below/api", "stop below/db", "down below/db"]
    );
    let outcome = bench.outcome(ticket);
    assert_eq!((outcome.state_after, &outcome.failure), (Lifecycle::Paused, &None));
}

/// `slow` holds up the pause of `db`; then an operator restarts their supervisor.
#[test]
fn d10_d11_a_hold_that_waits_for_its_turn_is_done_when_the_supervisor_is_restarted() {
    let slow = perm("slow").after(["db"]).always(Run::healthy().stops_after(secs(1)));
    let mut bench = Bench::launch(one_for_one([sup("below", one_for_one([db(), slow]))]));
    let pause = bench.pause("below/db");
    bench.restart("below");
    bench.pass(secs(5));
    let outcome = bench.outcome(pause);
    assert_eq!((outcome.state_after, &outcome.failure), (Lifecycle::Paused, &None));
    assert_eq!(
        ["below", "below/db", "below/slow"].map(|name| bench.state(name)),
        [Lifecycle::Running, Lifecycle::Paused, Lifecycle::Waiting]
    );
}

/// The same, with a supervisor whose grace is over while `slow` goes down: `db` is killed, and gone before `slow` is.
#[test]
fn d10_r62_a_hold_that_waits_for_its_turn_is_done_when_the_supervisor_is_killed() {
    let db = db().always(Run::healthy().stops_after(secs(60)));
    let slow = perm("slow").after(["db"]).always(Run::healthy().stops_after(secs(60)).dies_after(secs(1)));
    let below = sup("below", one_for_one([db, slow])).grace(secs(1));
    let mut bench = Bench::launch(one_for_one([below]));
    let pause = bench.pause("below/db");
    bench.restart("below");
    bench.pass(secs(5));
    assert_eq!(bench.outcome(pause).failure, None);
    assert_eq!(
        ["below", "below/db", "below/slow"].map(|name| bench.state(name)),
        [Lifecycle::Running, Lifecycle::Paused, Lifecycle::Waiting]
    );
}

/// `slow` goes down first; meanwhile the start of the others goes on.
#[test]
fn d11_nobody_starts_on_a_child_that_is_about_to_go_down_with_its_dependants() {
    let slow = perm("slow").after(["db"]).always(Run::healthy().stops_after(secs(2)));
    let gate = perm("gate").explicit().always(Run::ready_after(secs(1)));
    let late = perm("late").after(["db"]);
    let mut bench = Bench::launch(one_for_one([db(), slow, gate, late]));
    let restart = bench.restart("db");
    bench.pass(secs(1));
    assert_eq!((bench.state("slow"), bench.state("gate")), (Lifecycle::Stopping, Lifecycle::Running));
    assert_eq!((bench.state("db"), bench.state("late")), (Lifecycle::Running, Lifecycle::Waiting));
    bench.pass(secs(5));
    assert_eq!(["db", "slow", "late"].map(|name| bench.state(name)), [Lifecycle::Running; 3]);
    assert_eq!(["db", "slow", "late"].map(|name| bench.generation(name)), [2, 2, 1]);
    assert_eq!(bench.outcome(restart).failure, None);
}

/// `db` fails and is restarted while `slow` goes down for it; the start of the others goes on, and `late` needs no more
/// than that `db` was started.
#[test]
fn d11_who_starts_on_the_new_run_of_a_child_does_not_go_down_for_the_old_one() {
    let db = db().explicit().always(Run::ready_after(ms(100)));
    let slow = perm("slow").after(["db"]).always(Run::healthy().stops_after(secs(2)));
    let gate = perm("gate").explicit().always(Run::ready_after(secs(1)));
    let late = perm("late").after_when([("db", Condition::Started)]);
    let mut bench = Bench::launch(one_for_one([db, slow, gate, late]));
    bench.pass(ms(500));
    bench.crash("db");
    bench.pass(ms(600));
    assert_eq!((bench.state("slow"), bench.state("late")), (Lifecycle::Stopping, Lifecycle::Running));
    bench.pass(secs(5));
    assert_eq!(["db", "slow", "late"].map(|name| bench.state(name)), [Lifecycle::Running; 3]);
    assert_eq!(["db", "slow", "late"].map(|name| bench.generation(name)), [2, 2, 1]);
}

/// `main` is slow to go down for a restart of its sidecar, which OTP's calls stop and start meanwhile. `other` ran with
/// the run before, too.
#[test]
fn d11_d17_who_ran_with_a_run_that_was_terminated_goes_down_for_it_also_when_another_has_begun() {
    let side = sidecar("side", "main").steps(ms(0), ms(0)).restart_dependants();
    let main = perm("main").steps(ms(0), ms(0)).always(Run::healthy().stops_after(secs(1)));
    let other = perm("other").steps(ms(0), ms(0)).after(["side"]);
    let mut bench = Bench::launch(one_for_one([other, main, side]));
    bench.take();
    bench.restart("side");
    bench.terminate("side");
    bench.start_again("side");
    assert_eq!(bench.take(), ["stop main", "stop side", "down side", "start side"]);
    bench.pass(secs(1));
    assert_eq!(bench.take(), ["down main", "stop other", "down other", "start main", "start other"]);
}

/// `web`, which holds up the quarantine of `sup`, is slow; meanwhile `sup` gives up, and `last` takes the group down.
#[test]
fn d10_a_hold_that_waits_for_its_turn_is_kept_when_a_group_takes_a_supervisor_that_ends_by_itself() {
    let below = one_for_one([perm("bad"), perm("slow").always(Run::healthy().stops_after(secs(1)))]);
    let held = sup("sup", below.budget(0, secs(60))).restart_dependants();
    let web = perm("web").after(["sup"]).always(Run::healthy().stops_after(secs(2)));
    let mut bench = Bench::launch(one_for_all([held, web, perm("last")]).concurrent().budget(5, secs(60)));
    let ticket = bench.quarantine("sup");
    bench.crash("sup/bad");
    bench.crash("last");
    bench.pass(secs(9));
    assert_eq!(bench.state("sup"), Lifecycle::Quarantined);
    let outcome = bench.outcome(ticket);
    assert_eq!((outcome.state_after, &outcome.failure), (Lifecycle::Quarantined, &None));
}
