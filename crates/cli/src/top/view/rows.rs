//! A line for each child: how it is, since when, what it costs, and why.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use supervisor_api::wire::{RuntimeRow, TreeView};

use super::Looks;
use super::paper::{put, put_within, wide};
use crate::steer::{lasts, safe};
use crate::top::model::outline::Sum;
use crate::top::model::{Focus, Model, World};
use crate::top::words::{self, Rank, Tone, short};

/// The columns that fit, and how wide each is; 0: not there.
struct Columns {
    name: u16,
    state: u16,
    since: u16,
    restarts: u16,
    cpu: u16,
    memory: u16,
    why: u16,
}

impl Columns {
    fn of(width: u16) -> Self {
        let state = if width >= 36 { 17 } else { 13.min(width / 2) };
        let since = if width >= 48 { 6 } else { 0 };
        let restarts = if width >= 64 { 9 } else { 0 };
        let (cpu, memory) = if width >= 80 { (7, 10) } else { (0, 0) };
        let left = width.saturating_sub(state + since + restarts + cpu + memory);
        // A reason of which only the first word can be read is none; the details have all of it.
        let name = if width >= 96 { left.min((width / 4).max(24)) } else { left };
        Self { name, state, since, restarts, cpu, memory, why: left - name }
    }
}

pub(super) fn draw(buffer: &mut Buffer, area: Rect, model: &Model, world: World<'_>, looks: &Looks) {
    if area.height == 0 {
        return;
    }
    let columns = Columns::of(area.width);
    let titles = ["CHILD", "STATE", "SINCE", "RESTARTS", "CPU", "MEMORY", "WHY, OR LAST FAILURE"];
    line(buffer, area, 0, &columns, &titles.map(|title| (title.to_owned(), looks.theme.quiet())));
    if let Some(tree) = world.tree {
        let shown = model.outline.shown.iter().enumerate().skip(model.first);
        for (y, (at, entry)) in (1..area.height).zip(shown) {
            let cells = cells(model, tree, *entry, world, looks);
            line(buffer, area, y, &columns, &cells);
            if at == model.cursor {
                let row = Rect { y: area.y + y, height: 1, ..area }.intersection(buffer.area);
                let style =
                    if model.focus == Focus::Tree { looks.theme.chosen() } else { looks.theme.strong() };
                buffer.set_style(row, style);
            }
        }
    }
    if model.outline.shown.is_empty() {
        let text = match (world.tree.is_some(), model.only_problems) {
            (false, _) => "Waiting for the state…",
            (true, true) => "No problem. p shows everybody.",
            (true, false) => "The tree has no children.",
        };
        put(buffer, area, 0, 1, text, looks.theme.quiet());
    }
}

/// One line; numbers stand at the right of their columns.
fn line(buffer: &mut Buffer, area: Rect, y: u16, columns: &Columns, cells: &[(String, Style); 7]) {
    let widths = [
        (columns.name, false),
        (columns.state, false),
        (columns.since, true),
        (columns.restarts, true),
        (columns.cpu, true),
        (columns.memory, true),
        (columns.why, false),
    ];
    let mut x = 0;
    for ((text, style), (width, is_number)) in cells.iter().zip(widths) {
        if width > 1 {
            let room = width - 1;
            let from = if is_number { room.saturating_sub(wide(text) as u16) } else { 0 };
            // The reason stands apart from the numbers before it.
            let gap = u16::from(!is_number && x > 0);
            put_within(buffer, area, x + from + gap, y, room - from.min(room), text, *style);
        }
        x += width;
    }
}

fn cells(model: &Model, tree: &TreeView, at: usize, world: World<'_>, looks: &Looks) -> [(String, Style); 7] {
    let entry = &model.outline.entries[at];
    let (quiet, plain) = (looks.theme.quiet(), Style::new());
    let name = if entry.path.is_root() { safe(tree.target_id()) } else { safe(&entry.name) };
    let is_closed = model.outline.is_closed(at);
    let sign = match (entry.end > at + 1, is_closed) {
        (true, true) => "▸",
        (true, false) => "▾",
        _ => " ",
    };
    let name = (format!("{}{sign} {name}", "  ".repeat(entry.depth)), plain);
    let Some(row) = tree.row(&entry.path) else {
        let empty = || (String::new(), plain);
        return [name, ("○ declared".to_owned(), quiet), empty(), empty(), empty(), empty(), empty()];
    };
    let look = words::of(row);
    let usage = row.more.usage.as_deref();
    let since = row.more.since_unix_nanos;
    let since = since.map(|since| short(world.now.0.saturating_sub(since.0) / 1_000)).unwrap_or_default();
    let restarts = if row.restart_count == 0 { quiet } else { looks.theme.tone(Tone::Warn) };
    [
        name,
        (format!("{} {}", look.shape, safe(look.word)), looks.theme.tone(look.tone)),
        (since, plain),
        (row.restart_count.to_string(), restarts),
        (usage.map(|usage| format!("{} %", usage.cpu_percent)).unwrap_or_default(), plain),
        (usage.map(|usage| lasts::bytes(usage.resident_bytes)).unwrap_or_default(), plain),
        (why(tree, row, &model.outline.sums[at], is_closed, world), plain),
    ]
}

/// Why it is as it is, what comes next, or how it last failed; of a closed supervisor first what is below.
fn why(tree: &TreeView, row: &RuntimeRow, below: &Sum, is_closed: bool, world: World<'_>) -> String {
    let mut parts = Vec::new();
    if is_closed {
        parts.push(match (below.down, below.worst) {
            (0, Rank::Fine) => format!("{} below", below.total),
            (0, _) => format!("{} below, not all well", below.total),
            (down, _) => format!("{down}/{} not running", below.total),
        });
    }
    parts.extend(Some(super::why(tree, row, world.now)).filter(|why| !why.is_empty()));
    parts.join("; ")
}
