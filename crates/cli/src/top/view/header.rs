//! Which target this is, how it stands, whether what is shown is new, and who needs somebody.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::Looks;
use super::paper::{put, put_within, wide};
use crate::span::span;
use crate::steer::{clock, lasts, safe};
use crate::top::model::verbs::safe_action;
use crate::top::model::{Link, Model, World};
use crate::top::words::{self, Tone};

/// Without the bar that says that it is not live, and without those who need somebody.
pub(super) const LINES: u16 = 1;

pub(super) fn is_live(model: &Model) -> bool {
    model.link == Link::Live
}

pub(super) fn draw(buffer: &mut Buffer, area: Rect, model: &Model, world: World<'_>, looks: &Looks) {
    let theme = looks.theme;
    let name = world.tree.map_or_else(|| model.place.clone(), |tree| safe(tree.target_id()));
    let mut x = put(buffer, area, 0, 0, &name, theme.strong()) + 2;
    let (sign, tone) = if is_live(model) { ("● live", Tone::Good) } else { ("✕ NOT LIVE", Tone::Bad) };
    x += put(buffer, area, x, 0, sign, theme.tone(tone)) + 2;
    if world.tree.is_some() {
        let down = model.outline.sums.first().is_some_and(|all| all.down > 0);
        let style = if down { theme.tone(Tone::Warn) } else { theme.strong() };
        // There is room for a few of them only.
        let more = model.all_problems.saturating_sub(model.problems.len());
        let more = if more == 0 { String::new() } else { format!(", {} need you", model.all_problems) };
        x += put(buffer, area, x, 0, &(model.standing() + &more), style) + 2;
    }
    let room = usize::from(area.width.saturating_sub(x));
    let parts = right(model, world);
    // Where there is little room, what is last matters most: who one is.
    let fits = (0..parts.len()).map(|skip| parts[skip..].join(" · ")).find(|text| wide(text) <= room);
    if let Some(right) = fits {
        let at = area.width - wide(&right) as u16;
        put(buffer, area, at, 0, &right, theme.quiet());
    }
    let mut y = LINES;
    if !is_live(model) {
        let bar = format!(" {} ", bar(model, world, looks));
        buffer.set_style(
            Rect { y: area.y + y, height: 1, ..area }.intersection(area).intersection(buffer.area),
            theme.alarm(),
        );
        put(buffer, area, 0, y, &bar, theme.alarm());
        y += 1;
    }
    for at in &model.problems {
        if y < area.height {
            problem(buffer, Rect { y: area.y + y, height: 1, ..area }, *at, model, world, looks);
        }
        y += 1;
    }
}

/// What all use together, which state it is, and who one is.
fn right(model: &Model, world: World<'_>) -> Vec<String> {
    let Some(tree) = world.tree else { return Vec::new() };
    let all = model.outline.sums.first().copied().unwrap_or_default();
    let state = tree.state();
    let config: String = state.config_version.chars().take(8).collect();
    let mut parts = vec![format!("config {}, state generation {}", safe(&config), state.state_generation)];
    if all.resident_bytes > 0 {
        parts.push(format!("{} % CPU, {}", all.cpu_percent, lasts::bytes(all.resident_bytes)));
    }
    parts.extend(model.who.role.as_deref().map(safe));
    parts
}

/// Why what is shown may be old.
fn bar(model: &Model, world: World<'_>, looks: &Looks) -> String {
    let age = |since: u64| span(world.now.0.saturating_sub(since) / 1_000);
    match &model.link {
        Link::Live => String::new(),
        Link::Connecting => "connecting".to_owned(),
        Link::Doubtful { since, why } => format!("NOT LIVE for {}: {why}", age(since.0)),
        Link::Lost { since, why, retry_at } => {
            let left = retry_at.0.saturating_sub(world.now.0) / 1_000_000_000;
            let retry =
                if left == 0 { "reconnecting".to_owned() } else { format!("reconnecting in {left} s") };
            let at = clock(&looks.zone, since.0);
            let at = at.split('.').next().unwrap_or_default();
            format!("DISCONNECTED since {at}, for {}; {retry}: {why}", age(since.0))
        }
    }
}

/// One who needs somebody: how, since when, why, and the one safe thing to do.
fn problem(buffer: &mut Buffer, area: Rect, at: usize, model: &Model, world: World<'_>, looks: &Looks) {
    let Some(tree) = world.tree else { return };
    let path = &model.outline.entries[at].path;
    let Some(row) = tree.row(path) else { return };
    let look = words::of(row);
    let style = looks.theme.tone(look.tone);
    let since = lasts::in_state(row, world.now).map(|since| format!(" for {since}")).unwrap_or_default();
    let mut x = put(buffer, area, 0, 0, &format!("{} {path} ", look.shape), style);
    x += put(buffer, area, x, 0, &format!("{}{since}", safe(look.word)), looks.theme.strong());
    let action = safe_action(row).filter(|verb| model.refused(*verb, path, world).is_none());
    let action =
        action.map(|verb| format!("  {} {}", verb.key, verb.title.to_lowercase())).unwrap_or_default();
    let taken = wide(&action) as u16;
    let why = super::why(tree, row, world.now);
    if !why.is_empty() {
        let room = area.width.saturating_sub(x + taken);
        x += put_within(buffer, area, x, 0, room, &format!(": {why}"), ratatui::style::Style::new());
    }
    let is_chosen = *path == model.chosen;
    let hint = if is_chosen { action } else { String::new() };
    put(buffer, area, x, 0, &hint, looks.theme.quiet());
}
