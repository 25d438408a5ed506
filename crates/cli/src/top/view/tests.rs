//! What an operator reads.

use jiff::tz::TimeZone;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};
use supervisor_api::wire::{RowMore, TreeView, UnixNanos};
use supervisor_api::{Lifecycle, ProgramUsage};

use super::*;
use crate::steer::history::Item;
use crate::top::fixture::*;
use crate::top::model::{Link, Model};

fn looks(coloured: bool) -> Looks {
    Looks { theme: Theme { coloured }, zone: TimeZone::UTC }
}

/// A picture of this size, as a terminal would have it.
fn picture(model: &mut Model, tree: Option<&TreeView>, width: u16, height: u16, coloured: bool) -> Buffer {
    let world = World { tree, now: UnixNanos(NOW) };
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let drawn = terminal.draw(|frame| {
        fit(frame.area(), model, world, &looks(coloured));
        draw(frame.buffer_mut(), model, world, &looks(coloured));
    });
    drawn.unwrap().buffer.clone()
}

fn lines(buffer: &Buffer) -> Vec<String> {
    let Rect { width, height, .. } = buffer.area;
    let line = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
    (0..height).map(line).collect()
}

fn read(model: &mut Model, tree: &TreeView, width: u16, height: u16) -> Vec<String> {
    lines(&picture(model, Some(tree), width, height, true))
}

#[track_caller]
fn line_with<'a>(lines: &'a [String], what: &str) -> &'a str {
    lines
        .iter()
        .find(|line| line.contains(what))
        .unwrap_or_else(|| panic!("no {what:?}:\n{}", lines.join("\n")))
}

/// The shop, in which `/web` uses something and `/db` has failed.
fn busy() -> TreeView {
    let mut state = shop().state().clone();
    let usage = ProgramUsage {
        cpu_percent: 34,
        resident_bytes: 612 << 20,
        measured_at_unix_nanos: NOW,
        ..ProgramUsage::default()
    };
    let web = &mut state.runtime_state[1];
    web.more = RowMore { usage: Some(Box::new(usage)), ..web.more.clone() };
    web.restart_count = 3;
    let db = &mut state.runtime_state[5];
    db.last_failure = Some(serde_json::json!("no disk\u{1b}[2J"));
    let mail = &mut state.runtime_state[3];
    mail.more.next_start_at_unix_nanos = Some(UnixNanos(NOW + 4_200_000_000));
    TreeView::new(state)
}

#[test]
fn the_first_lines_say_how_it_stands_and_who_needs_somebody_worst_first() {
    let tree = busy();
    let lines = read(&mut model(&tree), &tree, 120, 30);
    assert!(lines[0].starts_with("shop  ● live  2/5 not running"), "{}", lines[0]);
    assert!(
        lines[0].ends_with("config 9f86d081, state generation 7 · 34 % CPU, 612 MiB · admin"),
        "{}",
        lines[0]
    );
    assert!(lines[1].starts_with("▲ /db quarantined for 10.0 s: no disk\\u{1b}[2J"), "{}", lines[1]);
    assert!(lines[2].starts_with("◷ /jobs/mail back-off for 10.0 s: starts again in 4.2 s (attempt 1)"));
}

#[test]
fn a_line_has_state_age_restarts_use_and_reason() {
    let tree = busy();
    let lines = read(&mut model(&tree), &tree, 120, 30);
    let words: Vec<&str> = line_with(&lines, "  web ").split_whitespace().collect();
    assert_eq!(words, ["web", "●", "running", "10", "s", "3", "34", "%", "612", "MiB"]);
    let mail = lines.iter().rfind(|line| line.trim_start().starts_with("mail")).unwrap();
    assert!(mail.contains("◷ back-off") && mail.contains("starts again in 4.2 s"), "{mail}");
    assert!(line_with(&lines, "nightly").contains("✓ completed"));
    let titles = line_with(&lines, "CHILD");
    for title in ["STATE", "SINCE", "RESTARTS", "CPU", "MEMORY", "WHY"] {
        assert!(titles.contains(title), "{titles}");
    }
}

#[test]
fn the_reason_of_a_failure_stands_before_what_is_next() {
    let mut state = busy().state().clone();
    state.runtime_state[3].last_failure = Some(serde_json::json!("exit code 3"));
    let tree = TreeView::new(state);
    let lines = read(&mut model(&tree), &tree, 120, 30);
    let mail = lines.iter().rfind(|line| line.trim_start().starts_with("mail")).unwrap();
    assert!(mail.contains("exit code 3; starts again in"), "{mail}");
}

#[test]
fn nothing_is_told_by_colour_alone_and_without_colour_there_is_none() {
    let tree = busy();
    let mut model = model(&tree);
    let coloured = picture(&mut model, Some(&tree), 120, 30, true);
    let plain = picture(&mut model, Some(&tree), 120, 30, false);
    assert_eq!(lines(&coloured), lines(&plain));
    let colours = |buffer: &Buffer| {
        buffer.content().iter().any(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset)
    };
    assert!(colours(&coloured) && !colours(&plain));
    // The colours that every terminal has.
    assert!(coloured.content().iter().all(|cell| !matches!(cell.fg, Color::Rgb(..) | Color::Indexed(_))));
}

#[test]
fn what_is_old_says_so_and_does_not_look_new() {
    let tree = busy();
    let mut model = model(&tree);
    let why = "the target closed the connection".to_owned();
    model.link =
        Link::Lost { since: UnixNanos(NOW - 42_000_000_000), why, retry_at: UnixNanos(NOW + 3_000_000_000) };
    let buffer = picture(&mut model, Some(&tree), 120, 30, false);
    let lines = lines(&buffer);
    assert!(lines[0].contains("✕ NOT LIVE"), "{}", lines[0]);
    assert_eq!(
        lines[1].trim(),
        "DISCONNECTED since 18:32:38, for 42.0 s; reconnecting in 3 s: the target closed the connection"
    );
    assert!(buffer[(5, 1)].modifier.contains(Modifier::REVERSED));
    let web = lines.iter().position(|line| line.contains("  web ")).unwrap() as u16;
    assert!(buffer[(5, web)].modifier.contains(Modifier::DIM));
}

#[test]
fn the_details_begin_with_the_answer() {
    let tree = busy();
    let mut model = model(&tree);
    types(&mut model, &tree, "j");
    model.about.sentence = "/web is running: its run has started.".to_owned();
    let lines = read(&mut model, &tree, 120, 40);
    let title = lines.iter().position(|line| line.contains("Details of /web")).unwrap();
    assert_eq!(lines[title + 1], "/web is running: its run has started.");
    assert!(line_with(&lines, "uses").contains("34 % CPU"));
    assert!(line_with(&lines, "restarts  ").contains('3'));
}

#[test]
fn a_log_is_harmless_and_what_is_searched_for_is_seen() {
    let tree = shop();
    let mut model = model(&tree);
    types(&mut model, &tree, "jo");
    let kept = ["good", "\u{1b}[31mevil\u{202e}\u{7}\t", "needle here"];
    let items = kept.iter().zip(1..).map(|(text, at)| Item::Log(Box::new(line("/web", at, text))));
    model.kept_logs(&path("/web"), Ok(items.collect()));
    types(&mut model, &tree, "/needle\n");
    let buffer = picture(&mut model, Some(&tree), 100, 30, true);
    let lines = lines(&buffer);
    assert!(line_with(&lines, "evil").contains("\\u{1b}[31mevil\\u{202e}\\u{7}\\u{9}"));
    assert!(
        buffer
            .content()
            .iter()
            .all(|cell| !cell.symbol().contains(|c: char| c.is_control() || c == '\u{202e}'))
    );
    let y = lines.iter().position(|line| line.contains("needle here")).unwrap() as u16;
    let marked: String = (0..100)
        .filter(|x| buffer[(*x, y)].modifier.contains(Modifier::REVERSED))
        .map(|x| buffer[(x, y)].symbol())
        .collect();
    assert_eq!(marked, "needle");
    assert!(line_with(&lines, "Log of /web").contains("held"));
}

#[test]
fn the_commands_say_why_one_cannot_be_given() {
    let tree = shop();
    let mut model = model(&tree);
    model.who.role = Some("operator".into());
    types(&mut model, &tree, "ja");
    let lines = read(&mut model, &tree, 120, 30);
    assert!(line_with(&lines, "D  Remove").contains("Needs the role admin; you are operator."));
    assert!(line_with(&lines, "U  Resume").contains("It is neither paused nor quarantined."));
    assert!(line_with(&lines, "R  Restart").contains("It is stopped if it runs, then started."));
}

#[test]
fn a_question_shows_whom_it_affects_and_what_is_missing() {
    let tree = shop();
    let mut model = model(&tree);
    types(&mut model, &tree, "jD");
    let Over::Form(form) = &model.over else { panic!() };
    let id = form.id;
    assert!(
        read(&mut model, &tree, 100, 30).iter().any(|line| line.contains("is being asked whom it affects"))
    );
    let said = "This stops /web and takes it out of the tree.\n  /web: removed".to_owned();
    model.foreseen(id, Ok((Some(said), Default::default())));
    types(&mut model, &tree, "old\nw\n");
    let lines = read(&mut model, &tree, 100, 30);
    for what in ["Remove /web", "takes it out of the tree", "/web: removed", "Reason, for the audit: old"] {
        line_with(&lines, what);
    }
    line_with(&lines, "To confirm, type web: w");
    line_with(&lines, "Type web first.");
}

#[test]
fn no_size_is_too_small_for_anything_that_is_shown() {
    let tree = busy();
    for keys in ["", "\t", "jo", "?", "a", "jR", "jD", "m", "/x", "p", "jA", "v", "w"] {
        for lost in [false, true] {
            let mut model = model(&tree);
            types(&mut model, &tree, keys);
            if lost {
                let (since, why) = (UnixNanos(NOW), "gone".into());
                model.link = Link::Lost { since, why, retry_at: UnixNanos(NOW) };
            }
            for width in (0..20).chain([40, 63, 64, 79, 80, 200]) {
                for height in (0..16).chain([24, 60]) {
                    picture(&mut model, Some(&tree), width, height, true);
                }
            }
            picture(&mut model, None, 40, 10, true);
        }
    }
}

#[test]
fn a_tiny_terminal_shows_the_tree_or_the_pane() {
    let tree = shop();
    let mut model = model(&tree);
    let lines = read(&mut model, &tree, 40, 10);
    assert!(line_with(&lines, "web").contains("● running"));
    assert!(!lines.iter().any(|line| line.contains("Details of")));
    types(&mut model, &tree, "\t");
    line_with(&read(&mut model, &tree, 40, 10), "Details of /");
}

#[test]
fn of_ten_thousand_only_those_are_drawn_that_are_seen_and_the_chosen_one_is_among_them() {
    let paths: Vec<String> = (0..10_000).map(|at| format!("/c{at}")).collect();
    let mut all = vec![("/", Lifecycle::Running)];
    all.extend(paths.iter().map(|path| (path.as_str(), Lifecycle::Running)));
    let tree = tree_of(&all);
    let mut model = model(&tree);
    types(&mut model, &tree, "lG");
    let lines = read(&mut model, &tree, 100, 30);
    assert_eq!(line_with(&lines, "c9999").split_whitespace().next(), Some("c9999"));
    let drawn = lines.iter().filter(|line| line.contains("● running")).count();
    assert!(drawn < 30 && drawn > 5, "{drawn}");
    assert!(lines[0].contains("all 10000 running"), "{}", lines[0]);
    types(&mut model, &tree, "g");
    line_with(&read(&mut model, &tree, 100, 30), "▾ shop");
}

#[test]
fn in_eighty_columns_there_is_who_one_is_and_no_reason_that_cannot_be_read() {
    let tree = busy();
    let lines = read(&mut model(&tree), &tree, 80, 24);
    assert!(lines[0].ends_with("  34 % CPU, 612 MiB · admin"), "{}", lines[0]);
    assert!(line_with(&lines, "CHILD").ends_with("MEMORY"));
    let narrow = read(&mut model(&tree), &tree, 50, 24);
    assert!(narrow[0].ends_with("  admin"), "{}", narrow[0]);
}

#[test]
fn how_many_need_somebody_is_said_when_not_all_of_them_are_shown() {
    use Lifecycle::*;
    let all =
        [("/", Running), ("/a", Failed), ("/b", Failed), ("/c", Failed), ("/d", Backoff), ("/e", Running)];
    let few = tree_of(&all[..4]);
    assert!(read(&mut model(&few), &few, 120, 30)[0].starts_with("shop  ● live  3/3 not running  "));
    let more = tree_of(&all);
    assert!(read(&mut model(&more), &more, 120, 30)[0].contains("4/5 not running, 4 need you"));
}

fn tree_of(all: &[(&str, Lifecycle)]) -> TreeView {
    crate::top::fixture::tree(all)
}

#[test]
fn the_help_names_every_key_and_every_command() {
    let tree = shop();
    let mut model = model(&tree);
    types(&mut model, &tree, "?");
    let lines = read(&mut model, &tree, 100, 60);
    for (key, _) in crate::top::model::keys::KEYS {
        line_with(&lines, key);
    }
    for verb in crate::top::model::verbs::VERBS {
        line_with(&lines, verb.title);
    }
    assert_eq!(over::help_lines(), lines.iter().filter(|line| line.contains('│')).count());
    // In less room it can be scrolled to its end.
    types(&mut model, &tree, &"j".repeat(100));
    line_with(&read(&mut model, &tree, 80, 12), "Shut down");
}
