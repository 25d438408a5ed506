//! Details and log of the child that is chosen.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::Looks;
use super::paper::{broken, put, put_line, put_within};
use crate::span::span;
use crate::steer::{clock, next, safe, status};
use crate::top::model::log::Line as LogLine;
use crate::top::model::{Focus, Link, Model, Pane, Stage, World};
use crate::top::words::{self, Tone};

/// How many of the last ends, and of what happened last, are shown.
const ENDS: usize = 5;
const PAST: usize = 30;
/// The column of names.
const NAMES: usize = 18;

pub(super) fn draw(buffer: &mut Buffer, area: Rect, model: &Model, world: World<'_>, looks: &Looks) {
    if area.height == 0 {
        return;
    }
    let rows = usize::from(area.height - 1);
    let inside = Rect { y: area.y + 1, height: area.height - 1, ..area };
    match model.pane {
        Pane::Hidden => {}
        Pane::Details => {
            title(buffer, area, "Details", "", model, looks);
            let lines = details(area.width, model, world, looks);
            for (y, line) in (0..area.height - 1).zip(lines.iter().skip(model.about.scroll)) {
                put_line(buffer, inside, y, line);
            }
        }
        Pane::Log => {
            let held = match model.log.fresh() {
                _ if model.log.is_followed() => "following".to_owned(),
                0 => "held".to_owned(),
                fresh => format!("held: {fresh} new"),
            };
            title(buffer, area, "Log", &held, model, looks);
            log(buffer, inside, rows, model, looks);
        }
    }
}

/// A rule with what is below it, and whose it is.
fn title(buffer: &mut Buffer, area: Rect, what: &str, how: &str, model: &Model, looks: &Looks) {
    let rule = "─".repeat(usize::from(area.width));
    put(buffer, area, 0, 0, &rule, looks.theme.quiet());
    let style = if model.focus == Focus::Pane { looks.theme.chosen() } else { looks.theme.strong() };
    let mut text = format!(" {what} of {} ", model.chosen);
    if !how.is_empty() {
        text += &format!("· {how} ");
    }
    put_within(buffer, area, 1, 0, area.width.saturating_sub(2), &text, style);
}

fn log(buffer: &mut Buffer, area: Rect, rows: usize, model: &Model, looks: &Looks) {
    let log = &model.log;
    if log.is_empty() {
        let text = match &log.stage {
            Stage::Asking if model.link != Link::Live => {
                "Not live: the log is read when the target is back.".to_owned()
            }
            Stage::Asking => "The log is being read…".to_owned(),
            Stage::Here => "Nothing was logged that is still kept.".to_owned(),
            Stage::Failed(why) => format!("The log could not be read: {why}"),
        };
        put(buffer, area, 0, 0, &safe(&text), looks.theme.quiet());
        return;
    }
    for (y, (line, is_hit)) in (0..area.height).zip(log.window(rows)) {
        put_line(buffer, area, y, &log_line(line, log.sought(), log.shift, looks));
        if is_hit {
            let row = Rect { y: area.y + y, height: 1, ..area }.intersection(buffer.area);
            buffer.set_style(row, looks.theme.strong());
        }
    }
}

fn log_line<'a>(line: &'a LogLine, sought: &str, shift: usize, looks: &Looks) -> Line<'a> {
    let style = if line.is_bad { looks.theme.tone(Tone::Warn) } else { Style::new() };
    let mut parts = Vec::new();
    if line.at_unix_nanos > 0 {
        parts.push(Span::styled(clock(&looks.zone, line.at_unix_nanos), looks.theme.quiet()));
        parts.push(Span::raw(" "));
    }
    if let Some(from) = &line.from {
        parts.push(Span::styled(format!("{from} "), looks.theme.quiet()));
    }
    let text = line.text.char_indices().nth(shift).map_or("", |(at, _)| &line.text[at..]);
    parts.extend(marked(text, sought, style, looks));
    Line::from(parts)
}

/// The text with what is searched for made visible.
fn marked<'a>(text: &'a str, sought: &str, style: Style, looks: &Looks) -> Vec<Span<'a>> {
    // Lower case can be of another length; then nothing is marked.
    let lower = text.to_lowercase();
    if sought.is_empty() || lower.len() != text.len() {
        return vec![Span::styled(text, style)];
    }
    let mut parts = Vec::new();
    let mut from = 0;
    for (at, found) in lower.match_indices(sought) {
        let (Some(before), Some(hit)) = (text.get(from..at), text.get(at..at + found.len())) else {
            continue;
        };
        parts.push(Span::styled(before, style));
        parts.push(Span::styled(hit, looks.theme.chosen()));
        from = at + found.len();
    }
    parts.push(Span::styled(text.get(from..).unwrap_or_default(), style));
    parts
}

/// Everything about the child: the answer first, then what it is, how its last runs ended, and what happened.
pub(super) fn details(width: u16, model: &Model, world: World<'_>, looks: &Looks) -> Vec<Line<'static>> {
    let width = usize::from(width);
    let mut lines = Vec::new();
    let Some(tree) = world.tree else { return lines };
    let (Some(row), Some(node)) = (tree.row(&model.chosen), tree.node(&model.chosen)) else {
        return vec![Line::raw("It is no longer in the tree.")];
    };
    let look = words::of(row);
    let sentence = match (&model.about.stage, model.about.sentence.is_empty()) {
        (_, false) => model.about.sentence.clone(),
        (Stage::Failed(why), _) => format!("The target did not say why: {}", safe(why)),
        _ => format!("{} is {}", model.chosen, safe(look.word)),
    };
    let strong = looks.theme.strong();
    lines.extend(broken(&sentence, width).into_iter().map(|line| Line::styled(line, strong)));
    let next = next::of_row(tree.state(), row, world.now);
    let related = status::Related::of(tree.state(), &model.chosen);
    let children = match related.children.len() {
        0..=8 => related.children.join(", "),
        many => format!("{many}"),
    };
    let facts = status::facts(node, row, next, world.now).into_iter();
    let facts = facts.chain(model.about.policy.iter().cloned());
    let related =
        [("depends on", related.depends_on.join(", ")), ("needed by", related.needed_by.join(", "))];
    for (name, value) in facts.chain(related).chain([("children", children)]) {
        if !value.is_empty() {
            let style = if name == "state" { looks.theme.tone(look.tone) } else { Style::new() };
            lines.extend(fact(name, &safe(&value), width, style, looks));
        }
    }
    let age = |at: u64| span(world.now.0.saturating_sub(at) / 1_000);
    let mut name = "last ends";
    for end in model.about.ends().take(ENDS) {
        let text = format!("{} ago: {}", age(end.at_unix_nanos), end.text);
        lines.extend(fact(name, &text, width, Style::new(), looks));
        name = "";
    }
    let mut name = "happened";
    for past in model.about.past.iter().rev().take(PAST) {
        let text = format!("{} {}", clock(&looks.zone, past.at_unix_nanos), past.text);
        lines.extend(fact(name, &text, width, Style::new(), looks));
        name = "";
    }
    lines
}

/// A name and a value; a long value goes on below itself.
fn fact(name: &str, value: &str, width: usize, style: Style, looks: &Looks) -> Vec<Line<'static>> {
    let names = NAMES.min(width / 3);
    let mut name = name.to_owned();
    let parts = broken(value, width.saturating_sub(names));
    let lines = parts.into_iter().map(|part| {
        let title = Span::styled(format!("{:names$}", std::mem::take(&mut name)), looks.theme.quiet());
        Line::from(vec![title, Span::styled(part, style)])
    });
    lines.collect()
}
