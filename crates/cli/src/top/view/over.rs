//! What lies over everything: the help, the commands, and the question before one.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::Looks;
use super::paper::{broken, put, put_within};
use crate::span::span;
use crate::steer::safe;
use crate::top::model::form::{Foreseen, Form, Step};
use crate::top::model::keys::KEYS;
use crate::top::model::verbs::VERBS;
use crate::top::model::{Model, Over, Progress, Sent, World};
use crate::top::words::Tone;

/// How wide a question is at most.
const WIDE: u16 = 78;
/// How many lines of those who are affected are shown.
const AFFECTED: usize = 12;

type Text = (String, Style);

pub(super) fn draw(buffer: &mut Buffer, area: Rect, model: &Model, world: World<'_>, looks: &Looks) {
    match &model.over {
        Over::Nothing | Over::Find(_) => {}
        Over::Help { scroll } => sheet(buffer, area, "Keys", &help(area.width, looks)[..], *scroll, looks),
        Over::Menu { at } => menu(buffer, area, *at, model, world, looks),
        Over::Form(form) => question(buffer, area, form, world, looks),
        Over::Sent => {
            let mut lines: Vec<Text> = model
                .sent
                .iter()
                .rev()
                .map(|sent| {
                    let (text, style) = sent_line(sent, looks, true);
                    let ago = span(world.now.0.saturating_sub(sent.at.0) / 1_000);
                    (format!("{text} ({ago} ago)"), style)
                })
                .collect();
            if lines.is_empty() {
                lines.push(("No command was sent.".to_owned(), looks.theme.quiet()));
            }
            sheet(buffer, area, "Commands that were sent", &wrapped(&lines, area.width), 0, looks);
        }
    }
}

/// A command and how far it is. `whole`: all lines of what was said, else the first.
pub(super) fn sent_line(sent: &Sent, looks: &Looks, whole: bool) -> Text {
    let (sign, text, tone) = match &sent.progress {
        Progress::Going(text) => ("…", text, Tone::Warn),
        Progress::Done(text) => ("✓", text, Tone::Good),
        Progress::Bad(text) => ("✕", text, Tone::Bad),
    };
    let text = if whole { text.lines().collect::<Vec<_>>().join(" ") } else { safe(text.trim()) };
    (format!("{sign} {}: {}", sent.what, safe(&text)), looks.theme.tone(tone))
}

pub(super) fn help_lines() -> usize {
    KEYS.len() + VERBS.len() + 2
}

fn help(width: u16, looks: &Looks) -> Vec<Text> {
    let keys = KEYS.iter().map(|(key, what)| (format!("{key:12}{what}"), Style::new()));
    let verbs = VERBS.iter().map(|verb| {
        let also = if verb.key == 'R' { "R r".to_owned() } else { verb.key.to_string() };
        (format!("{also:12}{}: {}", verb.title, verb.effect), Style::new())
    });
    let head = ("Commands about the child, or about the tree".to_owned(), looks.theme.strong());
    let lines = keys.chain([(String::new(), Style::new()), head]).chain(verbs);
    let inside = usize::from(width.min(WIDE).saturating_sub(4));
    // One line each, so that it can be said how many there are.
    lines.map(|(text, style)| (super::paper::cut(&text, inside), style)).collect()
}

fn wrapped(lines: &[Text], width: u16) -> Vec<Text> {
    let inside = usize::from(width.min(WIDE).saturating_sub(4));
    let all = lines.iter().flat_map(|(text, style)| {
        let parts = if text.is_empty() { vec![String::new()] } else { broken(text, inside) };
        parts.into_iter().map(|part| (part, *style)).collect::<Vec<_>>()
    });
    all.collect()
}

/// A framed sheet in the middle with these lines.
fn sheet(buffer: &mut Buffer, area: Rect, title: &str, lines: &[Text], skip: usize, looks: &Looks) {
    let inside = frame(buffer, area, title, lines.len(), looks);
    for (y, (text, style)) in (0..inside.height).zip(&lines[skip.min(lines.len())..]) {
        put(buffer, inside, 0, y, text, *style);
    }
}

/// Clears a place in the middle for so many lines, and draws a frame.
fn frame(buffer: &mut Buffer, area: Rect, title: &str, lines: usize, looks: &Looks) -> Rect {
    let width = area.width.min(WIDE);
    let height = (u16::try_from(lines).unwrap_or(u16::MAX)).saturating_add(2).min(area.height);
    let place =
        Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height };
    for y in place.top()..place.bottom() {
        for x in place.left()..place.right() {
            buffer[(x, y)].reset();
        }
    }
    if width < 4 || height < 3 {
        return place;
    }
    let rule = "─".repeat(usize::from(width - 2));
    put(buffer, place, 0, 0, &format!("┌{rule}┐"), looks.theme.quiet());
    put(buffer, place, 0, height - 1, &format!("└{rule}┘"), looks.theme.quiet());
    for y in 1..height - 1 {
        put(buffer, place, 0, y, "│", looks.theme.quiet());
        put(buffer, place, width - 1, y, "│", looks.theme.quiet());
    }
    put_within(buffer, place, 2, 0, width - 4, &format!(" {title} "), looks.theme.strong());
    Rect { x: place.x + 2, y: place.y + 1, width: width - 4, height: height - 2 }
}

fn menu(buffer: &mut Buffer, area: Rect, chosen: usize, model: &Model, world: World<'_>, looks: &Looks) {
    let title = format!("Commands, {}", model.chosen);
    let inside = frame(buffer, area, &title, VERBS.len(), looks);
    // In little room the chosen one is seen.
    let skip = (chosen + 1).saturating_sub(usize::from(inside.height));
    for (y, (at, verb)) in (0..inside.height).zip(VERBS.iter().enumerate().skip(skip)) {
        let refusal = model.refusal(*verb, world);
        let style = if refusal.is_some() { looks.theme.quiet() } else { Style::new() };
        let x = put(buffer, inside, 0, y, &format!("{}  {:12}", verb.key, verb.title), style);
        put(buffer, inside, x, y, refusal.as_deref().unwrap_or(verb.effect), style);
        if at == chosen {
            let row = Rect { y: inside.y + y, height: 1, ..inside };
            buffer.set_style(row.intersection(buffer.area), looks.theme.chosen());
        }
    }
}

fn question(buffer: &mut Buffer, area: Rect, form: &Form, world: World<'_>, looks: &Looks) {
    let target = world.tree.map_or_else(String::new, |tree| safe(tree.target_id()));
    let whom = if form.verb.is_of_tree() { target } else { form.path.to_string() };
    let under = if form.verb.needs_file() && !form.verb.is_of_tree() { " under" } else { "" };
    let title = format!("{}{under} {whom}", form.verb.title);
    let theme = looks.theme;
    let mut lines = vec![(form.verb.effect.to_owned(), theme.quiet())];
    lines.extend(affected(form, looks));
    lines.push((String::new(), Style::new()));
    for (at, step) in form.steps.iter().enumerate().take(form.at + 1) {
        let is_now = at == form.at;
        let mark = if is_now { "▏" } else { "" };
        let text = match step {
            Step::File => format!("File: {}{mark}", form.file.text),
            Step::Signal => format!("Signal, ← →: {}", form.signal().as_str()),
            Step::Reason => format!("Reason, for the audit: {}{mark}", form.reason.text),
            Step::Name => format!("To confirm, type {}: {}{mark}", form.name, form.typed.text),
            Step::Yes => "Go on? [y/N]".to_owned(),
        };
        lines.push((text, if is_now { theme.strong() } else { Style::new() }));
    }
    if let Some(missing) = &form.missing {
        lines.push((safe(missing), theme.tone(Tone::Bad)));
    }
    lines.push((String::new(), Style::new()));
    let keys =
        if form.step() == Step::Yes { "y go on  Esc cancel" } else { "Enter go on  ↑ back  Esc cancel" };
    lines.push((keys.to_owned(), theme.quiet()));
    let lines = wrapped(&lines, area.width);
    // In little room the end is seen: that is where one types.
    let skip = lines.len().saturating_sub(usize::from(area.height.saturating_sub(2)));
    sheet(buffer, area, &title, &lines, skip, looks);
}

/// Whom it will affect, in the words that the command line has before its question.
fn affected(form: &Form, looks: &Looks) -> Vec<Text> {
    match &form.foreseen {
        Foreseen::NotAsked | Foreseen::Due => Vec::new(),
        Foreseen::Asking => {
            vec![("The target is being asked whom it affects…".to_owned(), looks.theme.quiet())]
        }
        Foreseen::Refused(why) => {
            let lines = why
                .lines()
                .take(AFFECTED)
                .map(|line| (format!("✕ {}", safe(line)), looks.theme.tone(Tone::Bad)));
            lines.collect()
        }
        Foreseen::Said(said) => {
            let all: Vec<&str> = said.lines().collect();
            let mut lines: Vec<Text> =
                all.iter().take(AFFECTED).map(|line| (safe(line), looks.theme.tone(Tone::Warn))).collect();
            let more = all.len().saturating_sub(AFFECTED);
            if more > 0 {
                lines.push((format!("and {more} lines more"), looks.theme.quiet()));
            }
            lines
        }
    }
}
