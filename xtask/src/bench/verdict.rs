//! Medians, spread, noise, and whether a bound is kept.

use super::samples::Samples;
use super::table::{Better, Check, Figure, Yardstick};
use crate::Outcome;

/// What was found out for a check.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Judged {
    Found(Found),
    /// It could not be measured, and why.
    Missing(String),
}

/// What a check came to.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Found {
    pub(super) value: f64,
    /// By how much the value may be off because what it is compared with differs from itself.
    pub(super) noise: f64,
    /// The median of what is measured, and of what it is compared with.
    pub(super) medians: (f64, Option<f64>),
    /// How far the measured values lie apart, as a share of their median.
    pub(super) spread: f64,
    pub(super) runs: usize,
    pub(super) must_kept: Option<bool>,
    pub(super) aim_reached: Option<bool>,
    doubtful: bool,
}

impl Judged {
    /// Whether the value lies so near to what it must be that noise may have decided.
    pub(super) fn is_doubtful(&self) -> bool {
        matches!(self, Self::Found(found) if found.doubtful)
    }

    fn kept(&self) -> bool {
        matches!(self, Self::Found(found) if found.must_kept == Some(true))
    }

    fn reached(&self) -> bool {
        matches!(self, Self::Found(found) if found.aim_reached == Some(true))
    }
}

/// Judges one check by what was measured so far.
pub(super) fn judge(check: &Check, samples: &Samples) -> Judged {
    match found(check, samples) {
        Ok(found) => Judged::Found(found),
        Err(problem) => Judged::Missing(problem),
    }
}

fn found(check: &Check, samples: &Samples) -> Result<Found, String> {
    let values = |figure: Figure| samples.of(figure).map_err(String::from);
    let middle = |figure: Figure| values(figure).map(|values| median(&values));
    let (of, medians, value, noise) = match check.yardstick {
        Yardstick::Ratio(of, to) => {
            let (ours, theirs) = (middle(of)?, middle(to)?);
            let value = ours / theirs;
            (of, (ours, Some(theirs)), value, value * wobble(&values(to)?))
        }
        Yardstick::Beyond(of, to) => {
            let (ours, theirs) = (middle(of)?, middle(to)?);
            (of, (ours, Some(theirs)), ours - theirs, theirs * wobble(&values(to)?))
        }
        Yardstick::Itself(of) => {
            let ours = middle(of)?;
            (of, (ours, None), ours, ours * wobble(&values(of)?))
        }
        Yardstick::Growth { ours, raw } => {
            let grown = middle(ours[1])? / middle(ours[0])?;
            let theirs = middle(raw[1])? / middle(raw[0])?;
            let value = grown / theirs;
            let noise = wobble(&values(raw[0])?).max(wobble(&values(raw[1])?));
            (ours[1], (grown, Some(theirs)), value, value * noise)
        }
    };
    if !value.is_finite() {
        return Err(format!("{} comes to {value}", check.says));
    }
    let measured = values(of)?;
    let within = |bound: f64| match check.better {
        Better::Less => value <= bound,
        Better::More => value >= bound,
    };
    Ok(Found {
        value,
        noise,
        medians,
        spread: spread(&measured),
        runs: measured.len(),
        must_kept: check.must.map(within),
        aim_reached: check.aim.map(within),
        doubtful: check.must.is_some_and(|must| (value - must).abs() <= noise),
    })
}

/// The value in the middle, or between the two in the middle.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) }
}

/// How far values lie apart, as a share of their median.
fn spread(values: &[f64]) -> f64 {
    let most = values.iter().copied().fold(f64::MIN, f64::max);
    let least = values.iter().copied().fold(f64::MAX, f64::min);
    (most - least) / median(values)
}

/// By how much a measurement differs from the same one before it, as a share: the median of that.
pub(super) fn wobble(values: &[f64]) -> f64 {
    let steps: Vec<f64> = values.windows(2).map(|two| (two[1] / two[0] - 1.0).abs()).collect();
    if steps.is_empty() { 0.0 } else { median(&steps) }
}

/// How many bounds were kept.
#[derive(Debug, Default)]
pub(super) struct Tally {
    musts: usize,
    kept: usize,
    aims: usize,
    reached: usize,
    missed: Vec<String>,
}

impl Tally {
    /// Of what was judged, with the names of the rows.
    pub(super) fn of<'a>(judged: impl Iterator<Item = (&'a str, &'a Check, &'a Judged)>) -> Self {
        let mut tally = Self::default();
        for (row, check, judged) in judged {
            tally.musts += usize::from(check.must.is_some());
            tally.kept += usize::from(judged.kept());
            tally.aims += usize::from(check.aim.is_some());
            tally.reached += usize::from(judged.reached());
            if check.must.is_some() && !judged.kept() {
                tally.missed.push(format!("{row} {}", line(check, judged)));
            }
        }
        tally
    }

    /// The closing line.
    pub(super) fn line(&self, rows: usize) -> String {
        let Self { musts, kept, aims, reached, .. } = self;
        format!("bench: rows={rows} must={kept}/{musts} aim={reached}/{aims}")
    }

    pub(super) fn verdict(&self) -> Outcome {
        if self.missed.is_empty() {
            return Ok(());
        }
        Err(format!("not as it must be:\n  {}", self.missed.join("\n  ")))
    }
}

/// A check in a line.
pub(super) fn line(check: &Check, judged: &Judged) -> String {
    let says = check.says;
    let found = match judged {
        Judged::Found(found) => found,
        Judged::Missing(problem) => return format!("{says}: NOT MEASURED: {problem}"),
    };
    let must = check.must.map_or_else(String::new, |must| {
        let word = if found.must_kept == Some(true) { "" } else { " MISSED" };
        format!(" (must {}{word}", bound(check, must))
    });
    let aim = check.aim.map_or_else(String::new, |aim| {
        let word = if found.aim_reached == Some(true) { ", reached" } else { "" };
        format!("; aim {}{word}", bound(check, aim))
    });
    let end = if must.is_empty() { "" } else { ")" };
    format!(
        "{says}: {}{must}{aim}{end}; {}; noise {}, spread {}, {} runs",
        amount(check, found.value),
        sides(check, found),
        amount(check, found.noise),
        percent(found.spread),
        found.runs
    )
}

/// The medians of both sides.
pub(super) fn sides(check: &Check, found: &Found) -> String {
    let (of, to) = (check.yardstick.figures(), found.medians);
    let name = of.first().map_or("", |figure| figure.name);
    let text = |value| match check.yardstick {
        Yardstick::Growth { .. } => format!("{value:.2}"),
        _ => with_unit(name, value),
    };
    let ours = text(to.0);
    to.1.map_or_else(|| ours.clone(), |theirs| format!("{ours} to {}", text(theirs)))
}

/// What the check comes to, in its unit.
pub(super) fn amount(check: &Check, value: f64) -> String {
    match check.yardstick {
        Yardstick::Ratio(..) | Yardstick::Growth { .. } => format!("{value:.2}x"),
        Yardstick::Beyond(of, _) | Yardstick::Itself(of) => with_unit(of.name, value),
    }
}

/// A bound, with its direction.
pub(super) fn bound(check: &Check, bound: f64) -> String {
    let sign = match check.better {
        Better::Less => "≤",
        Better::More => "≥",
    };
    format!("{sign} {}", amount(check, bound))
}

pub(super) fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// A value of a figure, whose name says the unit.
pub(super) fn with_unit(name: &str, value: f64) -> String {
    if name.contains("bytes") {
        format!("{value:.0} B")
    } else if name.ends_with("_per_s") && value < 10_000.0 {
        format!("{value:.0} /s")
    } else if name.ends_with("_per_s") {
        format!("{:.0} k/s", value / 1e3)
    } else if value < 10_000.0 {
        format!("{value:.0} ns")
    } else if value < 10_000_000.0 {
        format!("{:.1} µs", value / 1e3)
    } else {
        format!("{:.1} ms", value / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::table::{Cell, Subject};

    const OURS: Figure = Figure { cell: Cell { subject: Subject::Ours, row: "W0", n: 1 }, name: "wall_ns" };
    const RAW: Figure = Figure { cell: Cell { subject: Subject::Raw, row: "W0", n: 1 }, name: "wall_ns" };

    fn check(yardstick: Yardstick, better: Better, must: f64, aim: Option<f64>) -> Check {
        Check { says: "a thing", yardstick, better, must: Some(must), aim }
    }

    fn samples(ours: &[f64], raw: &[f64]) -> Samples {
        let mut samples = Samples::default();
        samples.put(OURS, ours);
        samples.put(RAW, raw);
        samples
    }

    fn judged(check: &Check, ours: &[f64], raw: &[f64]) -> Found {
        match judge(check, &samples(ours, raw)) {
            Judged::Found(found) => found,
            Judged::Missing(problem) => panic!("{problem}"),
        }
    }

    #[test]
    fn the_median_is_the_middle_whatever_lies_far_out() {
        assert_eq!([median(&[3.0, 1.0, 1_000.0]), median(&[4.0, 1.0, 2.0, 3.0])], [3.0, 2.5]);
        assert!((spread(&[90.0, 100.0, 120.0]) - 0.3).abs() < 1e-9);
    }

    #[test]
    fn a_bound_is_kept_from_its_side() {
        let ratio = Yardstick::Ratio(OURS, RAW);
        let less = check(ratio, Better::Less, 2.0, Some(1.0));
        let found = judged(&less, &[15.0, 16.0, 14.0], &[10.0, 10.0, 10.0]);
        assert_eq!((found.value, found.must_kept, found.aim_reached), (1.5, Some(true), Some(false)));
        let more = check(ratio, Better::More, 2.0, None);
        let found = judged(&more, &[15.0], &[10.0]);
        assert_eq!((found.must_kept, found.aim_reached), (Some(false), None));
        let beyond = check(Yardstick::Beyond(OURS, RAW), Better::Less, 400.0, Some(200.0));
        let found = judged(&beyond, &[1_100.0], &[700.0]);
        assert_eq!((found.value, found.must_kept, found.aim_reached), (400.0, Some(true), Some(false)));
    }

    #[test]
    fn what_grows_as_raw_does_is_linear() {
        let at = |figure: Figure, n| Figure { cell: Cell { n, ..figure.cell }, ..figure };
        let ours = [at(OURS, 1), at(OURS, 2)];
        let raw = [at(RAW, 1), at(RAW, 2)];
        let mut samples = Samples::default();
        for (figure, value) in [(ours[0], 10.0), (ours[1], 40.0), (raw[0], 5.0), (raw[1], 10.0)] {
            samples.put(figure, &[value]);
        }
        let growth = check(Yardstick::Growth { ours, raw }, Better::Less, 1.5, None);
        let Judged::Found(found) = judge(&growth, &samples) else { panic!("measured") };
        assert_eq!((found.value, found.must_kept), (2.0, Some(false)));
    }

    #[test]
    fn noise_is_how_much_raw_differs_from_itself_and_leaves_in_doubt_what_is_nearer_than_that() {
        assert!((wobble(&[10.0, 11.0, 11.0, 11.0, 22.0]) - 0.05).abs() < 1e-9);
        assert_eq!(wobble(&[10.0]), 0.0);
        let less = check(Yardstick::Ratio(OURS, RAW), Better::Less, 2.0, None);
        let of = |ours: f64, raw: &[f64]| judge(&less, &samples(&[ours; 3], raw)).is_doubtful();
        assert!(of(19.5, &[10.0, 10.4, 10.0]));
        assert!(!of(15.0, &[10.0, 10.4, 10.0]));
        assert!(!of(19.5, &[10.0, 10.1, 10.0]));
    }

    #[test]
    fn one_bound_that_is_missed_fails_the_whole_and_is_named() {
        let less = check(Yardstick::Ratio(OURS, RAW), Better::Less, 2.0, Some(1.0));
        let good = judge(&less, &samples(&[9.0], &[10.0]));
        let bad = judge(&less, &samples(&[30.0], &[10.0]));
        let all = Tally::of([("W0", &less, &good), ("W0", &less, &bad)].into_iter());
        assert_eq!(all.line(1), "bench: rows=1 must=1/2 aim=1/2");
        assert!(all.verdict().unwrap_err().contains("W0 a thing: 3.00x (must ≤ 2.00x MISSED"));
        assert_eq!(Tally::of([("W0", &less, &good)].into_iter()).verdict(), Ok(()));
    }

    #[test]
    fn what_was_not_measured_is_missed() {
        let less = check(Yardstick::Ratio(OURS, RAW), Better::Less, 2.0, None);
        let judged = judge(&less, &Samples::default());
        let tally = Tally::of([("W0", &less, &judged)].into_iter());
        assert_eq!(tally.line(1), "bench: rows=1 must=0/1 aim=0/0");
        assert!(tally.verdict().unwrap_err().contains("NOT MEASURED: `bench-ours W0 1` was not run"));
    }

    #[test]
    fn nothing_is_asked_of_a_figure_that_is_only_shown() {
        let shown = Check { must: None, ..check(Yardstick::Ratio(OURS, RAW), Better::Less, 0.0, None) };
        let judged = judge(&shown, &samples(&[30.0], &[10.0]));
        let tally = Tally::of([("W0", &shown, &judged)].into_iter());
        assert_eq!((tally.line(1).as_str(), tally.verdict()), ("bench: rows=1 must=0/0 aim=0/0", Ok(())));
        assert!(line(&shown, &judged).starts_with("a thing: 3.00x; 30 ns to 10 ns; noise"));
    }

    #[test]
    fn values_are_told_in_the_unit_of_their_name() {
        let texts = [
            ("wall_ns", 950.0),
            ("wall_ns", 1.5e7),
            ("given_per_s", 2.5e6),
            ("_per_s", 412.0),
            ("bytes", 812.4),
        ]
        .map(|(name, value)| with_unit(name, value));
        assert_eq!(texts, ["950 ns", "15.0 ms", "2500 k/s", "412 /s", "812 B"]);
    }
}
