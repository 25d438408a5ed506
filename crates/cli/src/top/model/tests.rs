//! What keys and news make of the model.

use std::time::Duration;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use supervisor_api::Lifecycle;
use supervisor_api::manifest::SignalWord;
use supervisor_api::wire::{Command, Gap, TreeView, UnixNanos};
use supervisor_client::{Happening, Lost, Stale};

use super::form::Foreseen;
use super::log::Log;
use super::verbs::{RESUME_REASON, VERBS, Verb};
use super::*;
use crate::steer::history::Item;
use crate::steer::{Fault, order::Texts};
use crate::top::fixture::*;

/// The names of those that are shown.
fn shown(model: &Model) -> Vec<&str> {
    model.outline.shown.iter().map(|at| model.outline.entries[*at].path.as_str()).collect()
}

fn chosen<'a>(model: &'a mut Model, tree: &TreeView, keys: &str) -> &'a str {
    assert!(types(model, tree, keys).is_empty());
    model.chosen.as_str()
}

/// The only thing that is to be done.
fn only(actions: Vec<Action>) -> Action {
    let mut actions = actions.into_iter();
    let only = actions.next().unwrap();
    assert!(actions.next().is_none());
    only
}

#[track_caller]
fn sent(action: Action) -> Order {
    let Action::Send { order, .. } = action else { panic!("nothing is sent") };
    order
}

fn form(model: &Model) -> &Form {
    let Over::Form(form) = &model.over else { panic!("there is no question") };
    form
}

#[test]
fn the_tree_stands_as_declared_and_keys_walk_over_it() {
    let tree = shop();
    let mut model = model(&tree);
    assert_eq!(shown(&model), ["/", "/web", "/jobs", "/jobs/mail", "/jobs/nightly", "/db"]);
    for (keys, at) in
        [("j", "/web"), ("jj", "/jobs/mail"), ("G", "/db"), ("j", "/db"), ("k", "/jobs/nightly")]
    {
        assert_eq!(chosen(&mut model, &tree, keys), at, "{keys}");
    }
    assert_eq!(chosen(&mut model, &tree, "gk"), "/");
}

#[test]
fn a_branch_is_closed_and_opened_and_a_child_leads_to_its_supervisor() {
    let tree = shop();
    let mut model = model(&tree);
    assert_eq!(chosen(&mut model, &tree, "jjjh"), "/jobs", "a child has nothing to close");
    chosen(&mut model, &tree, "h");
    assert_eq!(shown(&model), ["/", "/web", "/jobs", "/db"]);
    let jobs = model.outline.place(&path("/jobs")).unwrap();
    assert_eq!((model.outline.sums[jobs].total, model.outline.sums[jobs].down), (2, 1));
    assert_eq!(chosen(&mut model, &tree, "lj"), "/jobs/mail");
    chosen(&mut model, &tree, "z");
    assert_eq!(shown(&model), ["/", "/web", "/jobs", "/db"]);
    chosen(&mut model, &tree, "z");
    assert_eq!(shown(&model).len(), 6);
}

#[test]
fn who_is_chosen_stays_chosen_while_others_come_and_who_is_gone_gives_way_to_the_nearest() {
    use Lifecycle::Running;
    let tree = shop();
    let mut model = model(&tree);
    chosen(&mut model, &tree, "j");
    let more =
        crate::top::fixture::tree(&[("/", Running), ("/a", Running), ("/b", Running), ("/web", Running)]);
    model.is_other = true;
    model.look(world(&more));
    assert_eq!((model.chosen.as_str(), model.cursor), ("/web", 3));
    let fewer = crate::top::fixture::tree(&[("/", Running), ("/a", Running)]);
    model.is_other = true;
    model.look(world(&fewer));
    assert_eq!((model.chosen.as_str(), model.cursor), ("/a", 1));
}

#[test]
fn problems_stand_worst_first_and_what_passes_by_itself_is_none_until_it_lasts() {
    use Lifecycle::*;
    let all =
        [("/", Running), ("/a", Backoff), ("/b", Starting), ("/c", Failed), ("/d", Paused), ("/e", Running)];
    let mut tree = crate::top::fixture::tree(&all);
    let mut model = model(&tree);
    let names = |model: &Model| -> Vec<String> {
        model.problems.iter().map(|at| model.outline.entries[*at].name.clone()).collect()
    };
    assert_eq!((names(&model), model.all_problems), (vec!["c".into(), "a".into(), "d".into()], 3));
    // It has been starting for two minutes.
    let mut old = row("/b", Starting);
    old.more.since_unix_nanos = Some(UnixNanos(NOW - 120_000_000_000));
    let mut state = tree.state().clone();
    state.runtime_state[2] = old;
    tree.replace(state);
    model.look(world(&tree));
    assert_eq!(model.all_problems, 4);
    for at in ["/c", "/a", "/d", "/b", "/c"] {
        assert_eq!(chosen(&mut model, &tree, "w"), at);
    }
    chosen(&mut model, &tree, "p");
    assert_eq!(shown(&model), ["/", "/a", "/b", "/c", "/d"]);
}

#[test]
fn a_child_is_found_wherever_it_is() {
    let tree = shop();
    let mut model = model(&tree);
    chosen(&mut model, &tree, "z");
    assert_eq!(chosen(&mut model, &tree, "/MAIL\n"), "/jobs/mail");
    assert_eq!(chosen(&mut model, &tree, "/b\n"), "/jobs/nightly", "its supervisor's name is in its path");
    assert_eq!(chosen(&mut model, &tree, "nn"), "/web");
    assert_eq!(chosen(&mut model, &tree, "N"), "/db");
    chosen(&mut model, &tree, "/nobody\n");
    assert_eq!((model.note.as_str(), model.chosen.as_str()), ("no path has “nobody” in it", "/db"));
    assert_eq!(chosen(&mut model, &tree, "/web\u{1b}"), "/db", "who thinks better of it stays");
}

#[test]
fn a_command_that_cannot_be_given_says_why() {
    let tree = shop();
    let refusal = |keys: &str, verb: char, change: &dyn Fn(&mut Model)| {
        let mut model = model(&tree);
        types(&mut model, &tree, keys);
        change(&mut model);
        assert!(types(&mut model, &tree, &verb.to_string()).is_empty());
        assert!(matches!(model.over, Over::Nothing), "{verb}: a question is asked");
        model.note
    };
    let viewer = |model: &mut Model| model.who.role = Some("viewer".into());
    let operator = |model: &mut Model| model.who.role = Some("operator".into());
    let nothing = |_: &mut Model| {};
    let lost = |model: &mut Model| {
        model.link = Link::Lost { since: UnixNanos(NOW), why: "gone".into(), retry_at: UnixNanos(NOW) };
    };
    let older = |model: &mut Model| model.who.capabilities.clear();
    for (keys, verb, change, said) in [
        ("j", 'R', &viewer as &dyn Fn(&mut Model), "Restart /web: Needs the role operator; you are viewer."),
        ("j", 'D', &operator, "Remove /web: Needs the role admin; you are operator."),
        ("j", 'P', &lost, "Pause /web: Not live: nothing can be sent now."),
        ("j", 'S', &older, "Signal /web: This target does not take this command."),
        ("", 'R', &nothing, "Restart /: The root takes only new children and a shutdown."),
        ("j", 'U', &nothing, "Resume /web: It is neither paused nor quarantined."),
        ("G", 'Q', &nothing, "Quarantine /db: It is quarantined already."),
        ("G", 'S', &nothing, "Signal /db: No process of it runs."),
        ("jj", 'S', &nothing, "Signal /jobs: Only a program takes signals."),
    ] {
        assert_eq!(refusal(keys, verb, change), said);
    }
    // A target that says nothing about roles decides alone.
    let mut model = model(&tree);
    model.who.role = None;
    assert!(types(&mut model, &tree, "jR").is_empty());
    assert_eq!(form(&model).verb.command, Command::RestartChild);
}

#[test]
fn every_command_has_a_key_of_its_own_and_is_in_the_list() {
    for command in Command::ALL {
        assert_eq!(VERBS.iter().filter(|verb| verb.command == *command).count(), 1, "{command}");
    }
    for verb in VERBS {
        assert_eq!(Verb::with_key(verb.key).unwrap().command, verb.command, "{}", verb.key);
    }
    let tree = shop();
    let mut model = model(&tree);
    // The second of the list is pause.
    assert!(types(&mut model, &tree, "jaj\n").is_empty());
    assert_eq!(form(&model).verb.command, Command::PauseChild);
}

#[test]
fn a_restart_asks_for_a_reason_and_nothing_else() {
    let tree = shop();
    let mut model = model(&tree);
    assert!(types(&mut model, &tree, "jr  \n").is_empty(), "nothing is foreseen for one child");
    assert_eq!(form(&model).missing.as_deref(), Some("Say why first."));
    let order = sent(only(types(&mut model, &tree, "q is typed\n")));
    assert_eq!((order.command, order.path.as_str()), (Command::RestartChild, "/web"));
    assert_eq!(order.reason, "q is typed");
    assert_eq!(model.sent[0].what, "restart /web");
    let id = model.sent[0].id;
    model.progressed(id, Progress::Done("/web restarted".into()));
    assert_eq!(model.sent[0].progress, Progress::Done("/web restarted".into()));
}

#[test]
fn a_letter_with_ctrl_or_alt_is_no_command() {
    let tree = shop();
    let mut model = model(&tree);
    for modifiers in [KeyModifiers::CONTROL, KeyModifiers::ALT] {
        for c in ['j', 'R', 'X', 'q', 'a'] {
            assert!(model.key(&KeyEvent::new(KeyCode::Char(c), modifiers), world(&tree)).is_none(), "{c}");
            assert!(matches!(model.over, Over::Nothing) && model.chosen.is_root(), "{c}");
        }
    }
    for (c, is_it) in [
        ('c', |action: &Action| matches!(action, Action::Quit)),
        ('z', |action: &Action| matches!(action, Action::Suspend)),
    ] as [(char, fn(&Action) -> bool); 2]
    {
        // Also while something is typed.
        types(&mut model, &tree, "/x");
        let action = model.key(&KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL), world(&tree));
        assert!(is_it(&action.unwrap()), "{c}");
    }
}

#[test]
fn who_quits_before_a_command_is_over_is_told_once() {
    let tree = shop();
    let mut model = model(&tree);
    assert!(matches!(only(types(&mut model, &tree, "q")), Action::Quit));
    types(&mut model, &tree, "GU");
    assert!(types(&mut model, &tree, "q").is_empty());
    assert!(model.note.starts_with("resume /db is not over; q again quits"), "{}", model.note);
    assert!(types(&mut model, &tree, "jq").is_empty(), "another key lies between");
    assert!(matches!(only(types(&mut model, &tree, "q")), Action::Quit));
    let id = model.sent[0].id;
    model.progressed(id, Progress::Done("resumed".into()));
    assert!(matches!(only(types(&mut model, &tree, "jq")), Action::Quit));
}

#[test]
fn a_resume_asks_nothing() {
    let tree = shop();
    let mut model = model(&tree);
    let order = sent(only(types(&mut model, &tree, "GU")));
    assert_eq!((order.command, order.path.as_str()), (Command::ResumeChild, "/db"));
    assert_eq!(order.reason, RESUME_REASON);
}

#[test]
fn what_stops_many_is_foreseen_and_needs_a_yes() {
    let tree = shop();
    let mut model = model(&tree);
    let Action::Foresee { form: id, order, file: None } = only(types(&mut model, &tree, "jjR")) else {
        panic!("the target is not asked");
    };
    assert_eq!((order.command, order.path.as_str()), (Command::RestartChild, "/jobs"));
    // Not before it is known what it does, and not with anything but a yes.
    assert!(types(&mut model, &tree, "x\ny").is_empty());
    assert!(form(&model).missing.as_ref().unwrap().contains("wait"));
    model.foreseen(id + 1, Ok((None, Texts::default())));
    assert_eq!(form(&model).foreseen, Foreseen::Asking, "that is for another question");
    model.foreseen(id, Ok((Some("/jobs/mail: stopped".into()), Texts::default())));
    assert_eq!(form(&model).foreseen, Foreseen::Said("/jobs/mail: stopped".into()));
    let order = sent(only(types(&mut model, &tree, "y")));
    assert_eq!(order.reason, "x");
    types(&mut model, &tree, "R");
    assert!(types(&mut model, &tree, "x\nn").is_empty());
    assert_eq!(model.note, "nothing was done: it was not confirmed");
}

#[test]
fn what_cannot_be_undone_needs_the_name() {
    let tree = shop();
    for (keys, command, name) in [("jD", Command::RemoveChild, "web"), ("X", Command::ShutdownTree, "shop")] {
        let mut model = model(&tree);
        let Action::Foresee { form: id, .. } = only(types(&mut model, &tree, keys)) else { panic!("{keys}") };
        model.foreseen(id, Ok((Some("This stops it.".into()), Texts::default())));
        assert!(types(&mut model, &tree, "why\nwe\n").is_empty());
        assert_eq!(form(&model).missing, Some(format!("Type {name} first.")));
        let rest = format!("\u{8}{name}\n");
        model.key(&KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL), world(&tree));
        let order = sent(only(types(&mut model, &tree, &rest.replace('\u{8}', ""))));
        assert_eq!((order.command, order.reason.as_str()), (command, "why"));
    }
}

#[test]
fn what_would_be_refused_is_not_sent() {
    let tree = shop();
    let mut model = model(&tree);
    let Action::Foresee { form: id, .. } = only(types(&mut model, &tree, "jD")) else { panic!() };
    model.foreseen(id, Err(Fault::failed("its permissions forbid it")));
    assert!(types(&mut model, &tree, "why\nweb\n").is_empty());
    assert!(form(&model).missing.as_ref().unwrap().contains("nothing is sent"));
}

#[test]
fn a_signal_is_chosen_with_the_arrows() {
    let tree = shop();
    let mut model = model(&tree);
    types(&mut model, &tree, "jS");
    assert_eq!(form(&model).signal(), SignalWord::Reload);
    model.key(&key(KeyCode::Right), world(&tree));
    let chosen = form(&model).signal();
    assert!(matches!(chosen, SignalWord::Signal(_)), "{chosen:?}");
    let order = sent(only(types(&mut model, &tree, "\nnew certificate\n")));
    assert_eq!(order.signal, Some(chosen));
}

#[test]
fn a_file_is_read_before_it_is_asked_about_and_again_when_another_is_named() {
    let tree = shop();
    let mut model = model(&tree);
    // Of a child the supervisor is meant.
    assert!(types(&mut model, &tree, "jjjA\n").is_empty());
    assert_eq!(form(&model).missing.as_deref(), Some("Name a file first."));
    assert_eq!(form(&model).path.as_str(), "/jobs");
    let Action::Foresee { form: id, file, .. } = only(types(&mut model, &tree, "a.yaml\n")) else { panic!() };
    assert_eq!(file.as_deref(), Some("a.yaml"));
    model.key(&key(KeyCode::Up), world(&tree));
    types(&mut model, &tree, "x");
    model.foreseen(id, Ok((Some("old".into()), Texts::default())));
    assert_eq!(form(&model).foreseen, Foreseen::Due, "that was about the file before");
    let Action::Foresee { file, .. } = only(types(&mut model, &tree, "\n")) else { panic!() };
    assert_eq!(file.as_deref(), Some("a.yamlx"));
}

#[test]
fn a_command_whose_child_went_while_it_was_asked_about_is_not_sent() {
    let tree = shop();
    let mut model = model(&tree);
    types(&mut model, &tree, "jRwhy");
    model.link = Link::Lost { since: UnixNanos(NOW), why: "gone".into(), retry_at: UnixNanos(NOW) };
    assert!(types(&mut model, &tree, "\n").is_empty());
    assert_eq!(model.note, "Restart: Not live: nothing can be sent now.");
}

#[test]
fn a_lost_connection_is_lost_since_it_was_lost_and_doubt_ends_by_itself() {
    let tree = shop();
    let mut model = model(&tree);
    let lose = |model: &mut Model, now: u64, why: &str| {
        let happening =
            Happening::Disconnected { why: Lost::Broken(why.into()), retry_in: Duration::from_secs(2) };
        model.heard(&happening, World { tree: Some(&tree), now: UnixNanos(now) });
    };
    model.doubt(Some(Stale::Silent), UnixNanos(NOW));
    assert!(matches!(model.link, Link::Doubtful { .. }));
    model.doubt(None, UnixNanos(NOW));
    assert_eq!(model.link, Link::Live);
    lose(&mut model, NOW, "a");
    lose(&mut model, NOW + 5_000_000_000, "b\u{1b}[2J");
    let Link::Lost { since, why, retry_at } = &model.link else { panic!("{:?}", model.link) };
    assert_eq!((since.0, retry_at.0), (NOW, NOW + 7_000_000_000));
    assert!(why.contains("b\\u{1b}[2J"), "{why}");
    model.heard(&Happening::Refreshed, world(&tree));
    assert_eq!(model.link, Link::Live);
}

/// A log of `/web` with lines numbered from 1.
fn log(lines: u64) -> Log {
    let mut log = Log::default();
    log.begin(path("/web"));
    log.kept((1..=lines).map(|at| Item::Log(Box::new(line("/web", at, &format!("line {at}"))))).collect());
    log
}

fn window(log: &Log, rows: usize) -> Vec<String> {
    log.window(rows).map(|(line, _)| line.text.clone()).collect()
}

#[test]
fn a_log_follows_holds_and_scrolls() {
    let mut log = log(10);
    assert_eq!(window(&log, 3), ["line 8", "line 9", "line 10"]);
    log.scroll(-2, 3);
    assert_eq!(window(&log, 3), ["line 6", "line 7", "line 8"]);
    log.came(&line("/web", 11, "line 11"));
    assert_eq!(window(&log, 3), ["line 6", "line 7", "line 8"], "what is read stays where it is");
    assert_eq!(log.fresh(), 3);
    log.oldest(3);
    assert_eq!(window(&log, 3), ["line 1", "line 2", "line 3"]);
    log.scroll(100, 3);
    assert!(log.is_followed(), "at the end it is followed again");
    log.follow(false);
    log.came(&line("/web", 12, "line 12"));
    assert_eq!((window(&log, 1), log.fresh()), (vec!["line 11".to_owned()], 1));
    assert_eq!(window(&log, 0), [""; 0]);
}

#[test]
fn a_log_has_each_line_once_and_only_those_of_its_child() {
    let mut log = Log::default();
    log.begin(path("/jobs"));
    // These come while the kept ones are read.
    assert!(log.came(&line("/jobs/mail", 4, "four")) && log.came(&line("/jobs/mail", 6, "six")));
    assert!(!log.came(&line("/web", 5, "five")));
    let kept = [2, 4].map(|at| Item::Log(Box::new(line("/jobs", at, &format!("kept {at}")))));
    log.kept(kept.into_iter().collect());
    assert_eq!(window(&log, 9), ["kept 2", "kept 4", "six"]);
    log.lost(Gap { from: 7, to: 9 });
    assert!(window(&log, 1)[0].contains("7 to 9 are no longer kept"));
}

#[test]
fn a_log_keeps_the_newest_and_what_is_held_may_go() {
    let mut log = log(10);
    log.oldest(3);
    for at in 11..=6_000 {
        log.came(&line("/web", at, &format!("line {at}")));
    }
    assert_eq!(window(&log, 3), ["line 1001", "line 1002", "line 1003"]);
    log.follow(true);
    assert_eq!(window(&log, 1), ["line 6000"]);
}

#[test]
fn a_search_goes_up_first_then_to_the_next_and_the_one_before_and_round() {
    let mut log = log(30);
    let hit = |log: &Log| log.window(5).find(|(_, hit)| *hit).map(|(line, _)| line.text.clone()).unwrap();
    assert!(log.seek("LINE 1", 5));
    assert_eq!(hit(&log), "line 19");
    assert!(!log.is_followed());
    assert!(log.seek_on(false, 5));
    assert_eq!(hit(&log), "line 18");
    assert!(log.seek_on(true, 5));
    assert_eq!(hit(&log), "line 19");
    assert!(log.seek_on(true, 5));
    assert_eq!(hit(&log), "line 1", "it goes round");
    assert!(log.seek_on(false, 5));
    assert_eq!(hit(&log), "line 19");
    assert!(!log.seek("nothing", 5));
    assert!(!log.seek_on(true, 5));
}

#[test]
fn the_log_of_the_chosen_child_is_asked_for_and_an_answer_for_another_is_passed_by() {
    let tree = shop();
    let mut model = model(&tree);
    types(&mut model, &tree, "jo");
    assert_eq!(model.wanted_log().unwrap().as_str(), "/web");
    model.kept_logs(&path("/db"), Ok(Vec::new()));
    assert!(model.wanted_log().is_some());
    model.kept_logs(&path("/web"), Ok(Vec::new()));
    assert!(model.wanted_log().is_none());
    types(&mut model, &tree, "\tj");
    assert_eq!(model.wanted_log().unwrap().as_str(), "/jobs");
    types(&mut model, &tree, "\n");
    assert_eq!(model.wanted_about().unwrap().as_str(), "/jobs");
}

#[test]
fn a_supervisor_of_thousands_is_closed_at_first_and_counted() {
    let paths: Vec<String> = (0..1_001).map(|at| format!("/jobs/j{at}")).collect();
    let mut all = vec![("/", Lifecycle::Running), ("/jobs", Lifecycle::Running)];
    all.extend(paths.iter().map(|path| (path.as_str(), Lifecycle::Backoff)));
    let tree = crate::top::fixture::tree(&all);
    let mut model = model(&tree);
    assert_eq!(shown(&model), ["/", "/jobs"]);
    assert_eq!(model.standing(), "1001/1002 not running");
    assert_eq!((model.problems.len(), model.all_problems), (NEEDS_YOU, 1_001));
    chosen(&mut model, &tree, "jl");
    assert_eq!(model.outline.shown.len(), 1_003);
    assert_eq!(chosen(&mut model, &tree, "G"), "/jobs/j1000");
    // It stays open when the topology comes again.
    model.is_other = true;
    model.look(world(&tree));
    assert_eq!(model.outline.shown.len(), 1_003);
}
