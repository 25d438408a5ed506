//! What each key does.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use supervisor_api::wire::Command;

use super::form::{Foreseen, Form, Input, Outcome};
use super::verbs::{Grade, RESUME_REASON, VERBS, Verb};
use super::{Action, Focus, Model, Over, Pane, Progress, SENT, Sent, World};
use crate::steer::order::Order;

/// The keys, as the help tells them.
pub(crate) const KEYS: &[(&str, &str)] = &[
    ("j k ↓ ↑", "next and previous line; PgDn PgUp a page, g G the first and the last"),
    ("h l ← →", "close and open a branch; h of a child goes to its supervisor"),
    ("z", "close all branches, or open all"),
    ("p", "problems only"),
    ("w", "go to what needs you, the worst first; again: the next"),
    ("/", "find a child, or a text in the log; n N the next and the one before"),
    ("Enter", "details of the child"),
    ("o", "its log"),
    ("Tab", "to the pane below and back"),
    ("v", "hide the pane below, or show it"),
    ("f Space", "in the log: hold, or follow"),
    ("a", "the commands, and why one cannot be given now"),
    ("m", "the commands that were sent, and how they went"),
    ("Ctrl-L", "draw everything anew"),
    ("Ctrl-Z", "suspend"),
    ("Esc", "close what lies over the tree"),
    ("?", "this"),
    ("q Ctrl-C", "quit"),
];

/// Whether a key is pressed together with Ctrl or Alt.
fn is_chord(key: &KeyEvent) -> bool {
    key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT)
}

/// How many columns a log moves at a time.
const SHIFT: usize = 16;

impl Model {
    /// Takes a key, and says what is to be done.
    pub(crate) fn key(&mut self, key: &KeyEvent, world: World<'_>) -> Option<Action> {
        self.note.clear();
        let action = match key.code {
            KeyCode::Char(c) if key.modifiers.contains(KeyModifiers::CONTROL) && "clz".contains(c) => {
                return Some(match c {
                    'c' => Action::Quit,
                    'z' => Action::Suspend,
                    _ => Action::Redraw,
                });
            }
            // Typing has its own; as commands they are too near to others.
            _ if is_chord(key) && !matches!(self.over, Over::Form(_) | Over::Find(_)) => None,
            _ => match &self.over {
                Over::Nothing => self.plain_key(key, world),
                Over::Help { .. } => {
                    self.help_key(key);
                    None
                }
                Over::Menu { .. } => self.menu_key(key, world),
                Over::Form(_) => self.form_key(key, world),
                Over::Find(_) => {
                    self.find_key(key);
                    None
                }
                Over::Sent => {
                    self.over = Over::Nothing;
                    None
                }
            },
        };
        self.look(world);
        action
    }

    fn plain_key(&mut self, key: &KeyEvent, world: World<'_>) -> Option<Action> {
        let was_warned = std::mem::take(&mut self.is_warned);
        match key.code {
            KeyCode::Char('q') => return self.quit(was_warned),
            KeyCode::Char('?') => self.over = Over::Help { scroll: 0 },
            KeyCode::Char('a') => self.over = Over::Menu { at: 0 },
            KeyCode::Char('m') => self.over = Over::Sent,
            KeyCode::Char('/') => self.over = Over::Find(Input::default()),
            KeyCode::Char('p') => self.only_problems = !self.only_problems,
            KeyCode::Char('w') => self.next_problem(world),
            KeyCode::Char('z') => self.outline.close_or_open_all(),
            KeyCode::Char('r') => return self.begin(Command::RestartChild, world),
            KeyCode::Enter => self.show(Pane::Details, Focus::Tree),
            KeyCode::Char('o') => self.show(Pane::Log, Focus::Pane),
            KeyCode::Char('v') if self.pane == Pane::Hidden => self.show(Pane::Details, Focus::Tree),
            KeyCode::Char('v') => self.show(Pane::Hidden, Focus::Tree),
            KeyCode::Tab | KeyCode::BackTab => self.other_focus(),
            KeyCode::Esc => self.focus = Focus::Tree,
            KeyCode::Char(c) if Verb::with_key(c).is_some() => {
                let verb = Verb::with_key(c)?;
                return self.begin(verb.command, world);
            }
            _ if self.focus == Focus::Tree => self.tree_key(key),
            _ if self.pane == Pane::Log => self.log_key(key),
            _ => self.details_key(key),
        }
        None
    }

    /// Quits, unless the outcome of a command would be missed that nobody was told of.
    fn quit(&mut self, was_warned: bool) -> Option<Action> {
        let going = self.sent.iter().find(|sent| matches!(sent.progress, Progress::Going(_)));
        let Some(sent) = going.filter(|_| !was_warned) else { return Some(Action::Quit) };
        self.note = format!("{} is not over; q again quits, and its outcome is not seen", sent.what);
        self.is_warned = true;
        None
    }

    fn show(&mut self, pane: Pane, focus: Focus) {
        (self.pane, self.focus) = (pane, focus);
    }

    fn other_focus(&mut self) {
        match (self.focus, self.pane) {
            (Focus::Tree, Pane::Hidden) => self.show(Pane::Details, Focus::Pane),
            (Focus::Tree, _) => self.focus = Focus::Pane,
            (Focus::Pane, _) => self.focus = Focus::Tree,
        }
    }

    fn tree_key(&mut self, key: &KeyEvent) {
        let page = self.room.tree.max(1);
        let last = self.outline.shown.len().saturating_sub(1);
        match key.code {
            KeyCode::Char('j') | KeyCode::Down => self.choose(self.cursor + 1),
            KeyCode::Char('k') | KeyCode::Up => self.choose(self.cursor.saturating_sub(1)),
            KeyCode::PageDown => self.choose(self.cursor + page),
            KeyCode::PageUp => self.choose(self.cursor.saturating_sub(page)),
            KeyCode::Char('g') | KeyCode::Home => self.choose(0),
            KeyCode::Char('G') | KeyCode::End => self.choose(last),
            KeyCode::Char('h') | KeyCode::Left => self.close(),
            KeyCode::Char('l') | KeyCode::Right => {
                if let Some(at) = self.outline.place(&self.chosen) {
                    self.outline.open(at);
                }
            }
            KeyCode::Char('n') => self.find_in_tree(1),
            KeyCode::Char('N') => self.find_in_tree(-1),
            _ => {}
        }
    }

    /// Closes a branch; where there is none to close, goes to the supervisor.
    fn close(&mut self) {
        let Some(at) = self.outline.place(&self.chosen) else { return };
        if !self.outline.close(at)
            && let Some(above) = self.outline.entries[at].above
        {
            self.chosen = self.outline.entries[above].path.clone();
        }
    }

    fn log_key(&mut self, key: &KeyEvent) {
        let rows = self.room.pane.max(1);
        let page = rows.saturating_sub(1).max(1) as isize;
        match key.code {
            KeyCode::Char('j') | KeyCode::Down => self.log.scroll(1, rows),
            KeyCode::Char('k') | KeyCode::Up => self.log.scroll(-1, rows),
            KeyCode::PageDown => self.log.scroll(page, rows),
            KeyCode::PageUp => self.log.scroll(-page, rows),
            KeyCode::Char('g') | KeyCode::Home => self.log.oldest(rows),
            KeyCode::Char('G') | KeyCode::End => self.log.follow(true),
            KeyCode::Char('f' | ' ') => self.log.follow(!self.log.is_followed()),
            KeyCode::Char('h') | KeyCode::Left => self.log.shift = self.log.shift.saturating_sub(SHIFT),
            KeyCode::Char('l') | KeyCode::Right => self.log.shift += SHIFT,
            KeyCode::Char(c @ ('n' | 'N')) => {
                let sought = self.log.sought().to_owned();
                self.note = match (sought.is_empty(), self.log.seek_on(c == 'n', rows)) {
                    (true, _) => "search with / first".to_owned(),
                    (false, false) => format!("nothing in this log has “{sought}” in it"),
                    (false, true) => String::new(),
                };
            }
            _ => {}
        }
    }

    fn details_key(&mut self, key: &KeyEvent) {
        let page = self.room.pane.saturating_sub(1).max(1);
        let scroll = &mut self.about.scroll;
        *scroll = match key.code {
            KeyCode::Char('j') | KeyCode::Down => *scroll + 1,
            KeyCode::Char('k') | KeyCode::Up => scroll.saturating_sub(1),
            KeyCode::PageDown => *scroll + page,
            KeyCode::PageUp => scroll.saturating_sub(page),
            KeyCode::Char('g') | KeyCode::Home => 0,
            _ => *scroll,
        };
    }

    fn help_key(&mut self, key: &KeyEvent) {
        let Over::Help { scroll } = &mut self.over else { return };
        match key.code {
            KeyCode::Char('j') | KeyCode::Down | KeyCode::PageDown => *scroll += 1,
            KeyCode::Char('k') | KeyCode::Up | KeyCode::PageUp => *scroll = scroll.saturating_sub(1),
            _ => self.over = Over::Nothing,
        }
    }
}

/// Looking for a child, or a text.
impl Model {
    fn find_key(&mut self, key: &KeyEvent) {
        let Over::Find(input) = &mut self.over else { return };
        match key.code {
            KeyCode::Esc => self.over = Over::Nothing,
            KeyCode::Enter => {
                let text = std::mem::take(&mut input.text);
                self.over = Over::Nothing;
                self.find(&text);
            }
            _ => drop(input.key(key)),
        }
    }

    fn find(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        if self.focus == Focus::Pane && self.pane == Pane::Log {
            if !self.log.seek(text, self.room.pane.max(1)) {
                self.note = format!("nothing in this log has “{text}” in it");
            }
            return;
        }
        self.sought = text.to_lowercase();
        self.find_in_tree(1);
    }

    /// Goes to the next child, or the one before, whose path has the text, and round at the end.
    fn find_in_tree(&mut self, step: isize) {
        if self.sought.is_empty() {
            self.note = "search with / first".to_owned();
            return;
        }
        let many = self.outline.entries.len();
        let from = self.outline.place(&self.chosen).unwrap_or(0);
        let order =
            (1..=many).map(|by| if step > 0 { (from + by) % many } else { (from + many - by) % many });
        let has = |at: &usize| self.outline.entries[*at].path.as_str().to_lowercase().contains(&self.sought);
        match order.into_iter().find(has) {
            Some(at) => self.go_to(at),
            None => self.note = format!("no path has “{}” in it", self.sought),
        }
    }

    /// Chooses a child wherever it is.
    fn go_to(&mut self, at: usize) {
        self.only_problems &= self.outline.shown.contains(&at);
        self.outline.reveal(at);
        self.chosen = self.outline.entries[at].path.clone();
    }

    fn next_problem(&mut self, world: World<'_>) {
        let Some(tree) = world.tree else { return };
        let (all, _) = super::problems::problems(&self.outline, tree, world.now, usize::MAX);
        let chosen = self.outline.place(&self.chosen);
        let now = chosen.and_then(|chosen| all.iter().position(|at| *at == chosen));
        match all.get(now.map_or(0, |now| (now + 1) % all.len())) {
            Some(at) => self.go_to(*at),
            None => self.note = "nothing needs you".to_owned(),
        }
    }
}

/// Giving commands.
impl Model {
    fn menu_key(&mut self, key: &KeyEvent, world: World<'_>) -> Option<Action> {
        let Over::Menu { at } = &mut self.over else { return None };
        match key.code {
            KeyCode::Char('j') | KeyCode::Down => *at = (*at + 1) % VERBS.len(),
            KeyCode::Char('k') | KeyCode::Up => *at = (*at + VERBS.len() - 1) % VERBS.len(),
            KeyCode::Enter => {
                let verb = VERBS[*at];
                return self.begin(verb.command, world);
            }
            KeyCode::Char(c) => match Verb::with_key(c) {
                Some(verb) => return self.begin(verb.command, world),
                None => self.over = Over::Nothing,
            },
            _ => self.over = Over::Nothing,
        }
        None
    }

    /// Asks what is to be asked before a command, or says why it cannot be given.
    fn begin(&mut self, command: Command, world: World<'_>) -> Option<Action> {
        let verb = Verb::of(command)?;
        self.over = Over::Nothing;
        let path = self.subject(verb, world);
        if let Some(refusal) = self.refusal(verb, world) {
            let whom = if verb.is_of_tree() { String::new() } else { format!(" {path}") };
            self.note = format!("{}{whom}: {refusal}", verb.title);
            return None;
        }
        let below = self.below(&path);
        let id = self.id();
        if verb.grade(below) == Grade::Nothing {
            let texts = Default::default();
            let order = Order { command, path, signal: None, texts, reason: RESUME_REASON.to_owned() };
            return Some(self.send(verb, order, world));
        }
        let target = world.tree.map_or_else(String::new, |tree| tree.target_id().to_string());
        let name = path.last_segment().map_or(target, str::to_owned);
        let form = Form::new(id, verb, path, name, below);
        let asks = form.foreseen == Foreseen::Asking;
        let action = Action::Foresee { form: id, order: form.order(), file: None };
        self.over = Over::Form(Box::new(form));
        asks.then_some(action)
    }

    fn form_key(&mut self, key: &KeyEvent, world: World<'_>) -> Option<Action> {
        let Over::Form(form) = &mut self.over else { return None };
        match form.key(key) {
            Outcome::Stays => None,
            Outcome::Closed => {
                self.over = Over::Nothing;
                self.note = "nothing was done: it was not confirmed".to_owned();
                None
            }
            Outcome::Foresee => Some(Action::Foresee {
                form: form.id,
                order: form.order(),
                file: Some(form.file.text.trim().to_owned()),
            }),
            Outcome::Send => {
                let (verb, order) = (form.verb, form.order());
                self.over = Over::Nothing;
                // The world goes on while a question is open.
                if let Some(refusal) = self.refused(verb, &order.path, world) {
                    self.note = format!("{}: {refusal}", verb.title);
                    return None;
                }
                Some(self.send(verb, order, world))
            }
        }
    }

    fn send(&mut self, verb: Verb, order: Order, world: World<'_>) -> Action {
        let id = self.id();
        let whom = if verb.is_of_tree() { String::new() } else { format!(" {}", order.path) };
        let what = format!("{}{whom}", verb.title.to_lowercase());
        let progress = Progress::Going("sent".to_owned());
        self.sent.push(Sent { id, what, at: world.now, progress });
        if self.sent.len() > SENT {
            self.sent.remove(0);
        }
        Action::Send { id, order }
    }
}
