//! From the model to the cells of a terminal. Only what is seen is drawn, and whatever the size, nothing is drawn outside.
//!
//! | file | subject |
//! |---|---|
//! | `paper` | text in cells: colours, cutting, breaking lines |
//! | `header` | which target, how it stands, whether it is live, who needs somebody |
//! | `rows` | a line for each child |
//! | `pane` | details and log of the child that is chosen |
//! | `over` | what lies over everything: help, commands, questions |

mod header;
mod over;
mod pane;
pub(crate) mod paper;
mod rows;
#[cfg(test)]
mod tests;

use jiff::tz::TimeZone;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use self::paper::{Theme, put};
use supervisor_api::wire::{RuntimeRow, TreeView, UnixNanos};

use super::model::{Focus, Model, NEEDS_YOU, Over, Pane, Progress, Room, World};
use super::words::{self, Rank};
use crate::steer::{next, safe, tree};

/// How things look, whatever they are.
pub(crate) struct Looks {
    pub(crate) theme: Theme,
    pub(crate) zone: TimeZone,
}

/// Where everything is. Each may be empty.
struct Areas {
    header: Rect,
    tree: Rect,
    pane: Rect,
    foot: Rect,
}

/// With fewer lines there is no room for tree and pane at once.
const BOTH: u16 = 14;

fn areas(area: Rect, model: &Model) -> Areas {
    let foot = if area.height >= 10 { 2 } else { area.height.min(1) };
    let left = area.height - foot;
    let needs_you = if left >= BOTH { model.problems.len().min(NEEDS_YOU) as u16 } else { 0 };
    let header = (header::LINES + u16::from(!header::is_live(model)) + needs_you).min(left);
    let left = left - header;
    let in_pane = model.focus == Focus::Pane;
    // What the tree does not need is the pane's.
    let tree = u16::try_from(model.outline.shown.len() + 1).unwrap_or(u16::MAX).max(3);
    let pane = match model.pane {
        Pane::Hidden => 0,
        _ if area.height < BOTH => {
            if in_pane {
                left
            } else {
                0
            }
        }
        _ if in_pane => left - tree.min(left * 2 / 5),
        _ => left - tree.min(left * 3 / 5),
    };
    let strip = |y: u16, height: u16| Rect { x: area.x, y: area.y + y, width: area.width, height };
    Areas {
        header: strip(0, header),
        tree: strip(header, left - pane),
        pane: strip(header + left - pane, pane),
        foot: strip(area.height - foot, foot),
    }
}

/// Tells the model how much room there is, and looks at the tree.
pub(crate) fn fit(area: Rect, model: &mut Model, world: World<'_>, looks: &Looks) {
    // Who needs somebody takes lines, too.
    model.add_up(world);
    let areas = areas(area, model);
    model.room = Room {
        tree: usize::from(areas.tree.height.saturating_sub(1)),
        pane: usize::from(areas.pane.height.saturating_sub(1)),
    };
    model.place();
    if model.pane == Pane::Details {
        let lines = pane::details(areas.pane.width, model, world, looks).len();
        model.about.scroll = model.about.scroll.min(lines.saturating_sub(model.room.pane));
    }
    if let Over::Help { scroll } = &mut model.over {
        *scroll =
            (*scroll).min(over::help_lines().saturating_sub(usize::from(area.height).saturating_sub(2)));
    }
}

/// Draws everything.
pub(crate) fn draw(buffer: &mut Buffer, model: &Model, world: World<'_>, looks: &Looks) {
    let area = buffer.area;
    let areas = areas(area, model);
    header::draw(buffer, areas.header, model, world, looks);
    rows::draw(buffer, areas.tree, model, world, looks);
    pane::draw(buffer, areas.pane, model, world, looks);
    if !header::is_live(model) {
        // What is old does not look as if it were new.
        for old in [areas.tree, areas.pane] {
            buffer.set_style(old, Style::new().add_modifier(Modifier::DIM));
        }
    }
    foot(buffer, areas.foot, model, looks);
    over::draw(buffer, area, model, world, looks);
}

/// What was said last, and the keys that are needed most.
fn foot(buffer: &mut Buffer, area: Rect, model: &Model, looks: &Looks) {
    let (text, style) = said(model, looks);
    let keys = match (&model.over, model.focus, model.pane) {
        (Over::Find(_), ..) => "Enter find  Esc close",
        (_, Focus::Pane, Pane::Log) => "f hold/follow  / search  n N next  Tab back  ? help  q quit",
        (_, Focus::Pane, _) => "j k scroll  Tab back  ? help  q quit",
        _ => "? help  a commands  Enter details  o log  p problems  w next  / find  q quit",
    };
    if area.height == 0 {
        return;
    }
    let only_keys = area.height == 1 && text.is_empty();
    if !only_keys {
        put(buffer, area, 0, 0, &text, style);
    }
    if only_keys || area.height > 1 {
        put(buffer, area, 0, area.height - 1, keys, looks.theme.quiet());
    }
}

/// Why a child is as it is, as far as there is room: first how it failed, then what is next.
fn why(tree: &TreeView, row: &RuntimeRow, now: UnixNanos) -> String {
    let is_fine = words::rank(row) == Rank::Fine;
    let failure = tree::failure(row);
    let (failed, last) = if is_fine { (None, failure) } else { (failure, None) };
    let not_ready = words::is_not_ready(row).then(|| "not ready".to_owned());
    let next = next::of_row(tree.state(), row, now);
    let phase = row.more.phase.as_deref().map(str::to_owned);
    let hindered = tree.node(&row.child_path).into_iter().flat_map(|node| node.diagnostics.values().cloned());
    let last = last.map(|last| format!("last failure: {last}"));
    let parts: Vec<String> =
        failed.into_iter().chain(not_ready).chain(next).chain(phase).chain(hindered).chain(last).collect();
    safe(&parts.join("; "))
}

fn said(model: &Model, looks: &Looks) -> (String, Style) {
    use super::words::Tone;
    if let Over::Find(input) = &model.over {
        return (format!("/{}▏", input.text), Style::new());
    }
    if !model.note.is_empty() {
        return (safe(&model.note), looks.theme.tone(Tone::Warn));
    }
    let Some(sent) = model.sent.last() else { return (String::new(), Style::new()) };
    over::sent_line(sent, looks, matches!(sent.progress, Progress::Bad(_)))
}
