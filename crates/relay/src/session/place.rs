//! Where a session stands in what one target tells.
//!
//! A place is a position in the target's ring and, for each stream, the sequence that is due next. The session asks for
//! one message after the other; nothing is queued for it. One that falls behind the ring finds a hole in the sequences,
//! which it is told as a gap, and gets the state anew.
//!
//! | what comes | what is told |
//! |---|---|
//! | a record before what is due | nothing: it was told, or is in the state |
//! | a record after what is due | a gap, then the record |
//! | the end of the ring, before what the target has told | a gap |
//! | another life of the target | gaps up to the end of the old one, the name of the new one, its records or its state |
//! | a delta before the last state | nothing |

use std::sync::Arc;

use supervisor_api::wire::{ConnectionState, Cursor, FilterConditions, Gap, ResumeCursor, Stream, Token};

use crate::target::{Due, Ring, Seen, Target, What};

/// Where a session stands.
#[derive(Debug)]
pub(crate) struct Place {
    /// What the browser said; `None` when the place was found.
    resume: Option<Arc<ResumeCursor>>,
    /// The position of the next entry; `None`: where the first state begins.
    position: Option<u64>,
    life: u32,
    /// What is due next; `None` for a stream that begins with the first state.
    events: Option<u64>,
    logs: Option<u64>,
    /// The position of the last state that was told.
    state_at: Option<u64>,
    /// The state is to be told again, as soon as there is one as new as what was told.
    again: bool,
    connection: ConnectionState,
    lost: Lost,
}

/// How many records a session did not get.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Lost {
    pub(crate) events: u64,
    pub(crate) logs: u64,
}

/// What is to be told next.
#[derive(Debug, PartialEq)]
pub(crate) enum Told {
    /// This text frame.
    Frame(Arc<str>),
    /// These records are missing; so many are in all.
    Gap { stream: Stream, gap: Gap, lost: Lost },
    /// The records that follow are of the life with this name.
    Began(Arc<str>),
    /// The connection to the target is another.
    Connection(ConnectionState),
}

impl Place {
    /// A place in a target: where the cursor says for it, or else from now on.
    pub(crate) fn new(seen: &Seen, resume: Arc<ResumeCursor>) -> Self {
        Self {
            resume: Some(resume),
            position: None,
            life: 0,
            events: None,
            logs: None,
            state_at: None,
            again: false,
            connection: seen.connection(),
            lost: Lost::default(),
        }
    }

    /// Finds where the browser has come to. Only a target that was connected to has a life that can be compared.
    fn begin(&mut self, resume: &ResumeCursor, target_id: &str, ring: &Ring) {
        let life_of = |epoch: &Token| ring.life_of(&epoch.to_string());
        self.life = ring.life();
        if let Some(cursor) = resume.targets.get(target_id) {
            let known = life_of(&cursor.stream_epoch);
            self.life = known.unwrap_or(self.life);
            // Of another life nothing was seen.
            let after = |seen: u64| if known.is_some() { seen.saturating_add(1) } else { 1 };
            self.events = cursor.events.map(after);
            self.logs = cursor.logs.map(after);
        } else {
            let known = |cursor: &Option<Cursor>| {
                let cursor = cursor.as_ref()?;
                Some((life_of(&cursor.stream_epoch)?, cursor.sequence.saturating_add(1)))
            };
            let (events, logs) = (known(&resume.events), known(&resume.logs));
            if let Some((life, _)) = events.or(logs) {
                self.life = life;
                self.events = events.map(|(_, next)| next);
                self.logs = logs.filter(|(of, _)| *of == life).map(|(_, next)| next);
            }
        }
        self.position = (self.events.is_some() || self.logs.is_some()).then(|| ring.first());
    }

    /// What is to be told next; `None`: nothing for now.
    pub(crate) fn next(&mut self, target: &Target, filter: &FilterConditions) -> Option<Told> {
        let mut seen = target.seen();
        loop {
            if std::mem::replace(&mut self.connection, seen.connection()) != self.connection {
                return Some(Told::Connection(self.connection));
            }
            let known = seen.ring.epoch().is_some();
            if let Some(resume) = self.resume.take_if(|_| known) {
                self.begin(&resume, target.id(), &seen.ring);
            }
            match self.position {
                Some(position) if position < seen.ring.first() => {
                    (self.position, self.state_at) = (Some(seen.ring.first()), None);
                }
                None => self.life = seen.ring.life(),
                Some(_) => {}
            }
            if self.state_at.is_none() && self.life == seen.ring.life() {
                return self.state(target, &mut seen);
            }
            if self.again
                && self.life == seen.ring.life()
                && let Some(state) = self.state(target, &mut seen)
            {
                return Some(state);
            }
            let position = self.position?;
            let Some(entry) = seen.ring.get(position) else { return self.catch_up(seen.ring.due()) };
            if entry.life < self.life {
                self.position = Some(position + 1);
                continue;
            }
            if entry.life > self.life {
                let told = self.end_life(seen.ring.end_of(self.life));
                // The name of one that was forgotten is that of nobody's: everything of it is lost.
                let began = || seen.ring.epoch_of(self.life).map(|epoch| Told::Began(Arc::clone(epoch)));
                if let Some(told) = told.or_else(began) {
                    return Some(told);
                }
                continue;
            }
            let wanted = match &entry.what {
                What::Event(event) => {
                    if let Some(gap) = self.hole(Stream::Events, event.sequence) {
                        return Some(gap);
                    }
                    let is_new = self.take(Stream::Events, event.sequence);
                    is_new && filter.wants_target(target.id()) && filter.wants_event_with(event)
                }
                What::Log(log) => {
                    if let Some(gap) = log.sequence.and_then(|at| self.hole(Stream::Logs, at)) {
                        return Some(gap);
                    }
                    let is_new = log.sequence.is_none_or(|at| self.take(Stream::Logs, at));
                    is_new && filter.wants_target(target.id()) && filter.wants_log_with(log)
                }
                What::Audit => true,
                What::Delta => self.state_at.is_some_and(|at| at <= position),
                What::NewState => {
                    self.state_at = self.state_at.filter(|at| *at > position);
                    false
                }
            };
            let frame = wanted.then(|| Arc::clone(&entry.frame));
            self.position = Some(position + 1);
            if let Some(frame) = frame {
                return Some(Told::Frame(frame));
            }
        }
    }

    /// The state is told again when there is one. What else there is does not wait for it.
    pub(crate) fn show_again(&mut self) {
        self.again = true;
    }

    /// The state, from which on deltas are told. What begins now begins with the first. It is not older than what was
    /// told: the deltas between are not told again.
    fn state(&mut self, target: &Target, seen: &mut Seen) -> Option<Told> {
        let state = target.state(seen, self.position.unwrap_or(0))?;
        (self.state_at, self.again) = (Some(state.at), false);
        self.position.get_or_insert(state.at);
        self.events.get_or_insert(state.due.events);
        self.logs.get_or_insert(state.due.logs);
        Some(Told::Frame(state.frame))
    }

    /// Everything was read. What the target has told and is not in the ring is lost.
    fn catch_up(&mut self, due: Due) -> Option<Told> {
        self.hole(Stream::Events, due.events).or_else(|| self.hole(Stream::Logs, due.logs))
    }

    /// What of the life that is over was not read is lost; then the next life begins.
    fn end_life(&mut self, end: Option<Due>) -> Option<Told> {
        let lost = end.and_then(|end| self.catch_up(end));
        if lost.is_none() {
            self.life += 1;
            (self.events, self.logs, self.state_at) = (Some(1), Some(1), None);
        }
        lost
    }

    fn due(&mut self, stream: Stream) -> &mut Option<u64> {
        match stream {
            Stream::Events => &mut self.events,
            Stream::Logs => &mut self.logs,
        }
    }

    /// The gap before this sequence, once.
    fn hole(&mut self, stream: Stream, sequence: u64) -> Option<Told> {
        let due = self.due(stream);
        let from = due.filter(|due| *due < sequence)?;
        *due = Some(sequence);
        let gap = Gap { from, to: sequence - 1 };
        let lost = match stream {
            Stream::Events => &mut self.lost.events,
            Stream::Logs => &mut self.lost.logs,
        };
        *lost = lost.saturating_add(sequence - from);
        Some(Told::Gap { stream, gap, lost: self.lost })
    }

    /// Whether the record with this sequence is due, which it then is no more.
    fn take(&mut self, stream: Stream, sequence: u64) -> bool {
        let due = self.due(stream);
        let is_due = due.is_none_or(|due| sequence >= due);
        if is_due {
            *due = Some(sequence.saturating_add(1));
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use supervisor_api::wire::TargetCursor;

    use super::*;
    use crate::bench::{self, Shop};

    /// What a session was told of one stream, life after life: each sequence, and whether it came or was lost.
    #[derive(Debug, Default)]
    struct Heard(Vec<Vec<(u64, bool)>>);

    impl Heard {
        fn note(&mut self, life: usize, from: u64, to: u64, came: bool) {
            self.0.resize_with(self.0.len().max(life + 1), Vec::new);
            self.0[life].extend((from..=to).map(|sequence| (sequence, came)));
        }
    }

    #[derive(Debug, Clone)]
    enum Act {
        Event(usize),
        Log(usize),
        Delta,
        /// So many events that the target itself has lost.
        Lost(u64),
        NewLife,
        /// A gap was mended.
        NewState,
        /// The session reads so many messages.
        Read(usize),
        /// The browser connects anew and goes on where it was.
        Reconnect,
    }

    fn acts() -> impl Strategy<Value = Vec<Act>> {
        let act = prop_oneof![
            8 => (0..2_000_usize).prop_map(Act::Event),
            4 => (0..2_000_usize).prop_map(Act::Log),
            2 => Just(Act::Delta),
            1 => (1..5_u64).prop_map(Act::Lost),
            1 => Just(Act::NewLife),
            1 => Just(Act::NewState),
            6 => (0..12_usize).prop_map(Act::Read),
            1 => Just(Act::Reconnect),
        ];
        proptest::collection::vec(act, 0..200)
    }

    fn cursor(epoch: &str, events: Option<u64>, logs: Option<u64>) -> TargetCursor {
        TargetCursor { stream_epoch: Token::Text(epoch.to_owned()), events, logs }
    }

    fn place(shop: &Shop, cursor: TargetCursor) -> Place {
        let targets = [("shop".to_owned(), cursor)].into();
        Place::new(&shop.target.seen(), ResumeCursor { targets, ..ResumeCursor::default() }.into())
    }

    fn fresh(shop: &Shop) -> Place {
        Place::new(&shop.target.seen(), Arc::default())
    }

    /// A session and what it heard.
    struct Reader {
        place: Place,
        life: usize,
        resume: TargetCursor,
        heard: [Heard; 2],
        states: usize,
    }

    impl Reader {
        fn read(&mut self, shop: &Shop) -> bool {
            let Some(told) = shop.next(&mut self.place, &FilterConditions::default()) else { return false };
            let of = |stream: Stream| usize::from(stream == Stream::Logs);
            match told {
                Told::Gap { stream, gap, .. } => {
                    assert!(gap.from <= gap.to);
                    self.heard[of(stream)].note(self.life, gap.from, gap.to, false);
                    *self.due(stream) = Some(gap.to);
                }
                Told::Frame(frame) => {
                    let frame: serde_json::Value = serde_json::from_str(&frame).unwrap();
                    let stream = match frame["type"].as_str().unwrap() {
                        "event" => Stream::Events,
                        "log" => Stream::Logs,
                        "state" => {
                            self.states += 1;
                            assert_eq!(frame["stream_epoch"], self.resume.stream_epoch.to_string());
                            return true;
                        }
                        _ => return true,
                    };
                    let key = if stream == Stream::Events { "event" } else { "log" };
                    let sequence = frame[key]["sequence"].as_u64().unwrap();
                    self.heard[of(stream)].note(self.life, sequence, sequence, true);
                    *self.due(stream) = Some(sequence);
                }
                Told::Began(epoch) => {
                    self.life = epoch.parse().unwrap();
                    self.resume = cursor(&epoch, Some(0), Some(0));
                }
                Told::Connection(_) => {}
            }
            true
        }

        fn due(&mut self, stream: Stream) -> &mut Option<u64> {
            match stream {
                Stream::Events => &mut self.resume.events,
                Stream::Logs => &mut self.resume.logs,
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

        #[test]
        fn every_record_of_every_life_comes_once_or_is_in_a_gap_once_in_order(acts in acts()) {
            let mut shop = Shop::new(6_000);
            let resume = cursor("0", Some(0), Some(0));
            let place = place(&shop, resume.clone());
            let heard = Default::default();
            let mut reader = Reader { place, life: 0, resume, heard, states: 0 };
            for act in acts {
                match act {
                    Act::Event(bytes) => shop.event(bytes),
                    Act::Log(bytes) => shop.log(bytes),
                    Act::Delta => shop.delta(),
                    Act::Lost(count) => shop.lose(count),
                    Act::NewLife => shop.new_life(),
                    Act::NewState => shop.target.new_state(),
                    Act::Read(count) => (0..count).for_each(|_| {
                        reader.read(&shop);
                    }),
                    Act::Reconnect => {
                        reader.place = super::tests::place(&shop, reader.resume.clone());
                    }
                }
            }
            while reader.read(&shop) {}
            prop_assert!(reader.states > 0);
            for (life, told) in shop.told().iter().enumerate() {
                for (stream, last) in [(0, told.events), (1, told.logs)] {
                    let heard = reader.heard[stream].0.get(life).cloned().unwrap_or_default();
                    let sequences: Vec<u64> = heard.iter().map(|(sequence, _)| *sequence).collect();
                    prop_assert_eq!(sequences, (1..last).collect::<Vec<_>>(), "life {}, stream {}", life, stream);
                    let came = |sequence| shop.was_told(life, stream, sequence);
                    prop_assert!(heard.iter().all(|(sequence, told)| !told || came(*sequence)));
                }
            }
        }
    }

    #[test]
    fn who_keeps_up_misses_nothing_and_gets_one_state() {
        let mut shop = Shop::new(6_000);
        let mut place = fresh(&shop);
        let mut kinds = Vec::new();
        for _ in 0..100 {
            shop.event(500);
            shop.log(500);
            kinds.extend(shop.all(&mut place).iter().map(bench::kind));
        }
        assert_eq!(kinds[0], "state");
        assert_eq!(kinds.len(), 199, "the first two records are in the state");
        assert!(kinds[1..].iter().all(|kind| *kind == "event" || *kind == "log"));
    }

    #[test]
    fn a_state_that_is_told_again_is_not_older_than_what_was_told_and_holds_nothing_up() {
        let mut shop = Shop::new(1 << 20);
        let mut place = fresh(&shop);
        let kinds = |told: Vec<Told>| told.iter().map(bench::kind).collect::<Vec<_>>();
        assert_eq!(kinds(shop.all(&mut place)), ["state"]);
        shop.event(1);
        shop.delta();
        assert_eq!(kinds(shop.all(&mut place)), ["event", "state_delta"]);
        place.show_again();
        shop.event(1);
        let mut next = || place.next(&shop.target, &FilterConditions::default());
        assert_eq!(next().as_ref().map(bench::kind).as_deref(), Some("event"), "the state there is, is old");
        assert_eq!(next(), None);
        shop.render();
        let Some(Told::Frame(state)) = next() else { panic!("there is a state") };
        let state: serde_json::Value = serde_json::from_str(&state).unwrap();
        assert_eq!(state["state"]["state_generation"], shop.generation());
        assert_eq!(next(), None);
    }

    #[test]
    fn who_falls_behind_is_told_what_is_lost_and_gets_the_state_and_what_is_left() {
        let mut shop = Shop::new(4 * (256 + 1_000));
        let mut place = fresh(&shop);
        shop.all(&mut place);
        for _ in 0..10 {
            shop.event(600);
        }
        let told = shop.all(&mut place);
        let kinds: Vec<_> = told.iter().map(bench::kind).collect();
        assert_eq!(kinds[..3], ["state", "gap", "event"]);
        let Told::Gap { gap, lost, .. } = &told[1] else { panic!() };
        assert_eq!((gap.from, lost.events), (1, gap.to));
        assert_eq!(kinds.len() as u64 - 2 + gap.to, 10);
    }

    #[test]
    fn a_filter_takes_effect_on_the_next_record_and_hides_no_gap() {
        let mut shop = Shop::new(1 << 20);
        let mut place = fresh(&shop);
        shop.all(&mut place);
        let filter = FilterConditions { sequence_min: Some(5), ..FilterConditions::default() };
        (0..3).for_each(|_| shop.event(1));
        shop.lose(1);
        (0..3).for_each(|_| shop.event(1));
        let mut kinds = Vec::new();
        while let Some(told) = shop.next(&mut place, &filter) {
            kinds.push(bench::kind(&told));
        }
        assert_eq!(kinds, ["gap", "event", "event", "event"]);
    }

    #[test]
    fn a_filter_is_for_records_and_leaves_the_state_and_the_audit_whole() {
        let mut shop = Shop::new(1 << 20);
        let mut place = fresh(&shop);
        shop.all(&mut place);
        let filter = FilterConditions { target_ids: vec!["bank".into()], ..FilterConditions::default() };
        shop.event(1);
        shop.log(1);
        shop.delta();
        shop.target.audited(bench::audit());
        let told: Vec<_> = std::iter::from_fn(|| shop.next(&mut place, &filter)).collect();
        let kinds: Vec<_> = told.iter().map(bench::kind).collect();
        assert_eq!(kinds, ["state_delta", "audit_event"]);
    }

    #[test]
    fn a_loss_is_told_although_nothing_comes_after_it() {
        let mut shop = Shop::new(1 << 20);
        let mut place = fresh(&shop);
        shop.event(1);
        shop.all(&mut place);
        shop.lose(7);
        let told = shop.all(&mut place);
        assert!(matches!(told[..], [Told::Gap { gap: Gap { from: 2, to: 8 }, .. }]), "{told:?}");
        assert!(shop.all(&mut place).is_empty());
    }

    #[test]
    fn a_browser_that_knows_another_life_gets_all_that_is_kept_of_this_one() {
        let mut shop = Shop::new(1 << 20);
        (0..3).for_each(|_| shop.event(1));
        let mut place = place(&shop, cursor("unheard of", Some(700), None));
        let kinds: Vec<_> = shop.all(&mut place).iter().map(bench::kind).collect();
        assert_eq!(kinds, ["state", "event", "event", "event"]);
    }

    #[test]
    fn a_connection_that_changes_is_told_before_anything_else_and_once() {
        let mut shop = Shop::new(1 << 20);
        let mut place = fresh(&shop);
        shop.all(&mut place);
        shop.event(1);
        shop.target.connection(ConnectionState::Unavailable);
        shop.target.connection(ConnectionState::Reconnecting);
        let told = shop.all(&mut place);
        assert_eq!(told[0], Told::Connection(ConnectionState::Reconnecting));
        assert_eq!(told.len(), 2);
    }

    #[test]
    fn a_cursor_of_one_stream_holds_for_the_target_whose_stream_it_names() {
        let mut shop = Shop::new(1 << 20);
        (0..3).for_each(|_| shop.event(1));
        let at = |epoch: &str| {
            let cursor = Cursor {
                delivery_mode: "live".to_owned(),
                filter_config_version: Token::Number(1),
                stream_epoch: Token::Text(epoch.to_owned()),
                sequence: 1,
            };
            let resume = ResumeCursor { events: Some(cursor), ..ResumeCursor::default() };
            Place::new(&shop.target.seen(), resume.into())
        };
        assert_eq!(shop.all(&mut at("0")).len(), 3, "the state and what comes after the first event");
        assert_eq!(shop.all(&mut at("of another target")).len(), 1, "from now on");
    }

    #[test]
    fn a_target_that_is_not_connected_yet_is_gone_on_with_when_it_is() {
        let target = Arc::new(Target::new(&bench::registration("shop"), 1 << 20, Arc::default()));
        let targets = [("shop".to_owned(), cursor("0", Some(2), None))].into();
        let resume = ResumeCursor { targets, ..ResumeCursor::default() };
        let mut place = Place::new(&target.seen(), resume.into());
        assert_eq!(place.next(&target, &FilterConditions::default()), None);
        let mut shop = Shop::of(target);
        (0..4).for_each(|_| shop.event(1));
        let kinds: Vec<_> = shop.all(&mut place).iter().map(bench::kind).collect();
        assert_eq!(kinds, ["connection", "state", "event", "event"]);
    }
}
