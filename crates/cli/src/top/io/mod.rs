//! The thin loop around the model: keys and news go in, what is to be done and drawn comes out.
//!
//! Everything is on one thread but for the reading of keys, which has no other way. Whatever takes time is a task of its
//! own, so a target that does not answer holds up nobody.

mod terminal;

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use ratatui::crossterm::event::{Event, KeyEventKind, read};
use supervisor_api::SupervisorPath;
use supervisor_api::wire::{EventRecord, UnixNanos, WhyAnswer};
use supervisor_client::{Follower, Happening, Settings, View};
use tokio::select;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{Receiver, UnboundedReceiver, UnboundedSender, channel, unbounded_channel};
use tokio::task::spawn_local;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use self::terminal::Screen;
use super::model::{Action, Model, Progress, World};
use super::view::{self, Looks};
use crate::args::ChoiceArgs;
use crate::exit::Exit;
use crate::steer::history::Item;
use crate::steer::order::{self, Order, Texts};
use crate::steer::{Fault, safe};

/// Between two pictures there is at least so much time.
const FRAME: Duration = Duration::from_millis(50);
/// Ages are drawn anew so often.
const TICK: Duration = Duration::from_secs(1);
/// How many keys may wait. Who types faster waits.
const KEYS: usize = 64;

/// What a task has brought.
enum News {
    Logs(SupervisorPath, Result<Vec<Item>, Fault>),
    About(SupervisorPath, Result<(WhyAnswer, Vec<EventRecord>), Fault>),
    Foreseen(u64, Result<(Option<String>, Texts), Fault>),
    Command(u64, Progress),
}

/// Everything that the loop holds.
struct Loop {
    at: PathBuf,
    settings: Settings,
    choices: Rc<ChoiceArgs>,
    follower: Follower,
    model: Model,
    looks: Looks,
    news: UnboundedSender<News>,
    /// At most one of each is asked at a time: a target is not asked faster than it answers.
    asks_logs: bool,
    asks_about: bool,
    /// Before then nothing is asked about the child again.
    about_at: Instant,
}

/// Shows the target until somebody quits. The first connection is tried already: `model` knows the target.
pub(super) async fn run(
    at: PathBuf,
    settings: Settings,
    choices: ChoiceArgs,
    model: Model,
    looks: Looks,
) -> Result<Exit, Fault> {
    let failed = |error: std::io::Error| Fault::failed(format!("cannot use the terminal: {error}"));
    let mut signals = Signals::new().map_err(failed)?;
    let follower = Follower::new(at.clone(), settings.clone()).logs(None);
    let (news, brought) = unbounded_channel();
    let choices = Rc::new(choices);
    let (asks_logs, asks_about, about_at) = (false, false, Instant::now());
    let mut looped =
        Loop { at, settings, choices, follower, model, looks, news, asks_logs, asks_about, about_at };
    let mut screen = Screen::take().map_err(failed)?;
    looped.go(&mut screen, keys(), brought, &mut signals).await
}

/// What a key has brought, or a change of the window.
enum Typed {
    Event(Event),
    /// The terminal is gone.
    Gone,
}

/// Reads the terminal on a thread of its own, which ends with the program.
fn keys() -> Receiver<Typed> {
    let (send, keys) = channel(KEYS);
    std::thread::spawn(move || {
        loop {
            let typed = read().map_or(Typed::Gone, Typed::Event);
            let is_gone = matches!(typed, Typed::Gone);
            if send.blocking_send(typed).is_err() || is_gone {
                return;
            }
        }
    });
    keys
}

/// Signals that end the program, or tell that it goes on.
struct Signals {
    terminate: Signal,
    hangup: Signal,
    interrupt: Signal,
    go_on: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            go_on: signal(SignalKind::from_raw(rustix::process::Signal::CONT.as_raw()))?,
        })
    }

    /// Waits for one that ends the program.
    async fn end(terminate: &mut Signal, hangup: &mut Signal, interrupt: &mut Signal) {
        select! {
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
}

impl Loop {
    async fn go(
        &mut self,
        screen: &mut Screen,
        mut keys: Receiver<Typed>,
        mut brought: UnboundedReceiver<News>,
        signals: &mut Signals,
    ) -> Result<Exit, Fault> {
        let Signals { terminate, hangup, interrupt, go_on } = signals;
        let failed = |error: std::io::Error| Fault::failed(format!("cannot use the terminal: {error}"));
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_due = true;
        let mut next_frame = Instant::now();
        loop {
            select! {
                biased;
                () = Signals::end(terminate, hangup, interrupt) => return Ok(Exit::Good),
                _ = go_on.recv() => screen.again().map_err(failed)?,
                typed = keys.recv() => match typed {
                    Some(Typed::Event(event)) => match self.typed(&event) {
                        Some(Action::Quit) => return Ok(Exit::Good),
                        Some(Action::Suspend) => screen.suspend().map_err(failed)?,
                        Some(Action::Redraw) => screen.again().map_err(failed)?,
                        Some(action) => self.act(action),
                        None => {}
                    },
                    Some(Typed::Gone) | None => return Ok(Exit::Good),
                },
                () = sleep_until(next_frame), if is_due => {
                    self.draw(screen).map_err(failed)?;
                    is_due = false;
                    next_frame = Instant::now() + FRAME;
                    self.ask();
                    continue;
                }
                Some(news) = brought.recv() => self.brought(news),
                happening = self.follower.next() => self.happened(happening)?,
                _ = tick.tick() => {}
            }
            is_due = true;
        }
    }

    fn world<'a>(follower: &'a Follower) -> World<'a> {
        let now = u64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(0);
        let tree = match follower.view() {
            View::Unknown => None,
            View::Current(tree) | View::Stale { tree, .. } => Some(tree),
        };
        World { tree, now: UnixNanos(now) }
    }

    fn typed(&mut self, event: &Event) -> Option<Action> {
        let Event::Key(key) = event else { return None };
        if key.kind == KeyEventKind::Release {
            return None;
        }
        self.model.key(key, Self::world(&self.follower))
    }

    /// Takes in what happened; ends when this user may no longer see anything.
    fn happened(&mut self, happening: Happening) -> Result<(), Fault> {
        match happening {
            Happening::Unreachable { why, .. } if why.is_denied() => return Err(why.into()),
            happening => self.model.heard(&happening, Self::world(&self.follower)),
        }
        Ok(())
    }

    fn draw(&mut self, screen: &mut Screen) -> std::io::Result<()> {
        let world = Self::world(&self.follower);
        let stale = match self.follower.view() {
            View::Stale { why, .. } => Some(why),
            _ => None,
        };
        self.model.doubt(stale, world.now);
        let (model, looks) = (&mut self.model, &self.looks);
        screen.terminal().draw(|frame| {
            view::fit(frame.area(), model, world, looks);
            view::draw(frame.buffer_mut(), model, world, looks);
        })?;
        Ok(())
    }

    /// Asks for what the pane is about, if it is not there.
    fn ask(&mut self) {
        if let Some(of) = self.model.wanted_log().filter(|_| !self.asks_logs).cloned() {
            self.asks_logs = true;
            let (at, settings, news) = self.outside();
            spawn_local(async move {
                let kept = order::kept_logs(&at, &settings, &of).await;
                // Without a loop nobody wants it.
                let _ = news.send(News::Logs(of, kept));
            });
        }
        let is_time = !self.asks_about && Instant::now() >= self.about_at;
        if let Some(of) = self.model.wanted_about().filter(|_| is_time).cloned() {
            self.asks_about = true;
            self.model.about.is_old = false;
            let (at, settings, news) = self.outside();
            spawn_local(async move {
                let told = order::about(&at, &settings, &of).await;
                let _ = news.send(News::About(of, told));
            });
        }
    }

    fn act(&mut self, action: Action) {
        let (at, settings, news) = self.outside();
        match action {
            Action::Foresee { form, order, file } => {
                let choices = self.choices.clone();
                spawn_local(async move {
                    let said = foreseen(at, settings, order, file, choices).await;
                    let _ = news.send(News::Foreseen(form, said));
                });
            }
            Action::Send { id, order } => {
                spawn_local(async move {
                    let note = |text: &str| {
                        let _ = news.send(News::Command(id, Progress::Going(safe(text.trim()))));
                    };
                    let progress = match order::give(&at, &settings, &order, &note).await {
                        Ok(done) => Progress::Done(safe(&done)),
                        Err(fault) => Progress::Bad(fault.words()),
                    };
                    let _ = news.send(News::Command(id, progress));
                });
            }
            Action::Quit | Action::Suspend | Action::Redraw => {}
        }
    }

    fn outside(&self) -> (PathBuf, Settings, UnboundedSender<News>) {
        (self.at.clone(), self.settings.clone(), self.news.clone())
    }

    fn brought(&mut self, news: News) {
        match news {
            News::Logs(of, kept) => {
                self.asks_logs = false;
                self.model.kept_logs(&of, kept);
            }
            News::About(of, told) => {
                self.asks_about = false;
                self.about_at = Instant::now() + TICK;
                self.model.told_about(&of, told);
            }
            News::Foreseen(form, said) => self.model.foreseen(form, said),
            News::Command(id, progress) => self.model.progressed(id, progress),
        }
    }
}

/// What an order will affect, and what was read of its file.
async fn foreseen(
    at: PathBuf,
    settings: Settings,
    order: Order,
    file: Option<String>,
    choices: Rc<ChoiceArgs>,
) -> Result<(Option<String>, Texts), Fault> {
    let mut order = order;
    if let Some(file) = file {
        order.texts = Rc::new(order::read(order.command, file.as_ref(), &choices)?);
    }
    let said = order::foresee(&at, &settings, &order).await?;
    // Nobody else has it.
    let texts = Rc::try_unwrap(order.texts).unwrap_or_default();
    Ok((said, texts))
}
