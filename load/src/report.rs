//! What a run has found: figures, what is wrong, and what is too slow.

use std::fmt;
use std::time::Duration;

use crate::browser::Tally;
use crate::delays::Delays;
use crate::relay::Usage;

/// The list of targets is there within so many milliseconds, whoever hangs.
const LIST_MS: f64 = 200.0;
/// Memory counts as flat when it grows by less than this for each event, of which one that is kept costs ten times as
/// much, and by this share of the whole, in which the allocator of the system moves when nothing is kept.
const BYTES_PER_EVENT: f64 = 64.0;
const ALLOCATOR: f64 = 0.02;
/// The share of the wanted events that have to happen for the figures to tell of them.
const KEPT_UP: f64 = 0.95;

/// What was asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) targets: usize,
    pub(crate) hanging: usize,
    pub(crate) children: usize,
    pub(crate) events_per_second: u64,
    pub(crate) sessions: usize,
}

/// What was seen between the warm-up and the last event.
#[derive(Debug)]
pub(crate) struct Window {
    /// How long it took until every session had every state, and all that had happened until then.
    pub(crate) warm_up: Duration,
    pub(crate) lasted: Duration,
    /// Events that happened.
    pub(crate) events_in: u64,
    /// Events that all sessions together got, and bytes of any kind.
    pub(crate) events_out: u64,
    pub(crate) bytes_out: u64,
    /// The relay, again and again, from the beginning to the end.
    pub(crate) usage: Vec<Usage>,
    /// How long each list of targets took, before.
    pub(crate) lists: Vec<Duration>,
}

/// What a run has found.
#[derive(Debug)]
pub struct Report {
    asked: Asked,
    window: Window,
    delays: Delays,
    came: u64,
    lost: u64,
    unshown: u64,
    twice: u64,
    /// Accounts whose gaps and counts do not say the same.
    disagree: usize,
    lives: u64,
    breaks: u64,
}

impl Report {
    pub(crate) fn new(asked: Asked, window: Window, tallies: &[Tally]) -> Self {
        let accounts = || tallies.iter().flat_map(|tally| &tally.accounts);
        let mut delays = Delays::default();
        tallies.iter().for_each(|tally| delays.merge(&tally.delays));
        Self {
            asked,
            window,
            delays,
            came: accounts().map(|account| account.came).sum(),
            lost: accounts().map(|account| account.lost).sum(),
            unshown: accounts().map(|account| account.unshown).sum(),
            twice: accounts().map(|account| account.twice).sum(),
            disagree: accounts().filter(|account| !account.agrees()).count(),
            lives: tallies.iter().map(|tally| tally.lives).sum(),
            breaks: tallies.iter().map(|tally| tally.breaks).sum(),
        }
    }

    /// What did not hold, whatever the machine does besides. Empty: every event is accounted for.
    pub fn wrongs(&self) -> Vec<String> {
        let mut wrongs = Vec::new();
        let mut no = |count: u64, what: &str| {
            if count > 0 {
                wrongs.push(format!("{count} {what}"));
            }
        };
        no(self.unshown, "events neither came nor were told as lost");
        no(self.twice, "events came or were told as lost more than once");
        no(self.disagree as u64, "accounts where dropped_count says something else than the gaps");
        no(self.lives, "times a target was taken for another life of itself");
        no(u64::from(self.came == 0), "run without a single event");
        wrongs
    }

    /// What took too much time or memory; a machine that is busy otherwise can be the cause.
    pub fn excesses(&self) -> Vec<String> {
        let mut excesses = Vec::new();
        let (growth, bound) = (self.growth_kib(), self.growth_bound_kib());
        if growth as f64 > bound {
            excesses.push(format!("the relay's memory grew by {growth} KiB; flat is up to {bound:.0} KiB"));
        }
        if self.list_ms() >= LIST_MS {
            excesses
                .push(format!("the list of targets took {:.0} ms, not less than {LIST_MS}", self.list_ms()));
        }
        let wanted = self.asked.events_per_second as f64 * KEPT_UP;
        if self.rate(self.window.events_in) < wanted {
            let rate = self.rate(self.window.events_in);
            excesses
                .push(format!("only {rate:.0} events/s happened: this machine is too slow for the figures"));
        }
        excesses
    }

    fn rate(&self, count: u64) -> f64 {
        count as f64 / self.window.lasted.as_secs_f64()
    }

    /// The longest that a list took.
    fn list_ms(&self) -> f64 {
        self.window.lists.iter().max().map_or(0.0, |took| took.as_secs_f64() * 1e3)
    }

    /// Memory in the middle of the second half, less that in the middle of the first: the medians.
    fn growth_kib(&self) -> i64 {
        let (first, second) = self.window.usage.split_at(self.window.usage.len() / 2);
        median(second).cast_signed() - median(first).cast_signed()
    }

    /// By how much it may grow between the middles of the halves.
    fn growth_bound_kib(&self) -> f64 {
        let whole = self.window.usage.first().map_or(0, |usage| usage.rss_kib);
        self.window.events_in as f64 / 2.0 * BYTES_PER_EVENT / 1024.0 + whole as f64 * ALLOCATOR
    }

    /// Which share of one core the relay used.
    fn cpu(&self) -> f64 {
        let spent = self.window.usage.first().zip(self.window.usage.last());
        let spent = spent.map_or(Duration::ZERO, |(first, last)| last.cpu.saturating_sub(first.cpu));
        spent.as_secs_f64() / self.window.lasted.as_secs_f64()
    }

    fn rss_mib(&self, at: usize) -> u64 {
        self.window.usage.get(at).map_or(0, |usage| usage.rss_kib / 1024)
    }

    /// The line for machines.
    pub fn summary(&self) -> String {
        let Asked { targets, children, events_per_second, sessions, .. } = self.asked;
        format!(
            "load: targets={targets} children={children} events_per_s={events_per_second} sessions={sessions} \
             unshown={} rss_mib={} rss_growth_kib={} cpu={:.2} list_ms={:.0} p50_ms={:.1} p99_ms={:.1}",
            self.unshown,
            self.rss_mib(self.window.usage.len().saturating_sub(1)),
            self.growth_kib(),
            self.cpu(),
            self.list_ms(),
            self.delays.within(0.50),
            self.delays.within(0.99),
        )
    }
}

fn median(usage: &[Usage]) -> u64 {
    let mut all: Vec<_> = usage.iter().map(|usage| usage.rss_kib).collect();
    all.sort_unstable();
    all.get(all.len() / 2).copied().unwrap_or(0)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Asked { targets, hanging, children, sessions, .. } = self.asked;
        let Window { warm_up, lasted, events_in, events_out, bytes_out, usage, lists } = &self.window;
        writeln!(f, "targets      {targets} with {children} children each, and {hanging} that hang")?;
        writeln!(
            f,
            "warm-up      {:.1} s until each of {sessions} sessions had every state and was not behind",
            warm_up.as_secs_f64()
        )?;
        writeln!(f, "measured     {:.1} s", lasted.as_secs_f64())?;
        writeln!(f, "events in    {:.0}/s", self.rate(*events_in))?;
        let megabytes = self.rate(*bytes_out) / 1e6;
        writeln!(f, "events out   {:.0}/s to all sessions, {megabytes:.1} MB/s", self.rate(*events_out))?;
        writeln!(
            f,
            "accounts     {} events came, {} were told as lost, {} were not shown, {} came twice",
            self.came, self.lost, self.unshown, self.twice
        )?;
        writeln!(f, "connections  to targets were lost {} times, as seen by all sessions", self.breaks)?;
        writeln!(
            f,
            "delay        {:.1} ms median, {:.1} ms 99 of 100, from push to session",
            self.delays.within(0.50),
            self.delays.within(0.99)
        )?;
        writeln!(f, "relay cpu    {:.2} of one core", self.cpu())?;
        writeln!(
            f,
            "relay rss    {} MiB at first, {} MiB in the middle, {} MiB at last; grew by {} KiB, flat is up to {:.0}",
            self.rss_mib(0),
            self.rss_mib(usage.len() / 2),
            self.rss_mib(usage.len().saturating_sub(1)),
            self.growth_kib(),
            self.growth_bound_kib(),
        )?;
        write!(f, "target list  {:.0} ms, the longest of {}", self.list_ms(), lists.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Account;

    fn report(rss: &[u64], list: u64, account: Account) -> Report {
        let asked = Asked { targets: 2, hanging: 1, children: 5, events_per_second: 1_000, sessions: 1 };
        let window = Window {
            warm_up: Duration::from_secs(1),
            lasted: Duration::from_secs(10),
            events_in: 10_000,
            events_out: 20_000,
            bytes_out: 1_000_000,
            usage: (0..)
                .zip(rss)
                .map(|(at, rss)| Usage { rss_kib: *rss, cpu: Duration::from_secs(at) })
                .collect(),
            lists: vec![Duration::from_millis(3), Duration::from_millis(list)],
        };
        let tally = Tally { accounts: vec![account], ..Tally::default() };
        Report::new(asked, window, &[tally])
    }

    fn good() -> Account {
        let mut account = Account::default();
        account.state(0);
        account.event(1);
        account
    }

    #[test]
    fn a_good_run_has_nothing_wrong_and_one_line_says_so() {
        let report = report(&[102_400, 102_400, 102_500, 102_400], 199, good());
        assert_eq!((report.wrongs(), report.excesses()), (vec![], vec![]));
        assert_eq!(
            report.summary(),
            "load: targets=2 children=5 events_per_s=1000 sessions=1 unshown=0 rss_mib=100 rss_growth_kib=100 \
             cpu=0.30 list_ms=199 p50_ms=0.0 p99_ms=0.0"
        );
    }

    #[test]
    fn memory_that_grows_with_the_events_is_not_flat() {
        // 5 000 events lie between the middles: 312.5 KiB are as many times 64 bytes. 20 KiB are 2 %.
        let flat = report(&[1_000, 1_000, 1_332, 1_332], 1, good());
        assert_eq!(flat.excesses(), Vec::<String>::new());
        let grows = report(&[1_000, 1_000, 1_333, 1_333], 1, good());
        assert!(grows.excesses()[0].contains("grew by 333 KiB"), "{:?}", grows.excesses());
        let shrinks = report(&[2_000, 2_000, 1_000, 1_000], 1, good());
        assert_eq!(shrinks.excesses(), Vec::<String>::new());
    }

    #[test]
    fn a_list_that_takes_200_ms_is_too_slow() {
        let slow = report(&[1, 1], 200, good());
        assert!(slow.excesses()[0].contains("200 ms"), "{:?}", slow.excesses());
    }

    #[test]
    fn events_that_are_not_shown_and_counts_that_disagree_are_wrong() {
        let mut account = good();
        account.gap(2, 3);
        account.close(4);
        let wrong = report(&[1, 1], 1, account).wrongs();
        assert_eq!(wrong.len(), 2, "{wrong:?}");
        assert!(wrong[0].starts_with("1 events neither") && wrong[1].contains("dropped_count"), "{wrong:?}");
        assert!(report(&[1, 1], 1, Account::default()).wrongs()[0].contains("without a single event"));
    }
}
