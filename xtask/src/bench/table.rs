//! The rows of the benchmark: what is compared with what, what it must come to, and what it should.
//!
//! The bounds are those of the design; nobody changes them to make a row pass.

use Better::{Less, More};
use Subject::{Ours, Raw};

use super::peers::Peer;

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    /// Bare tokio, by hand.
    Raw,
    /// The library.
    Ours,
    /// What others have made.
    Peer(Peer),
}

/// One measurement: what is said to a program of `benches/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) subject: Subject,
    pub(super) row: &'static str,
    pub(super) n: usize,
}

/// A figure of a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Figure {
    pub(super) cell: Cell,
    pub(super) name: &'static str,
}

/// What is made of figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Yardstick {
    /// The first as a multiple of the second.
    Ratio(Figure, Figure),
    /// By how much the first is more than the second.
    Beyond(Figure, Figure),
    /// The figure itself.
    Itself(Figure),
    /// How a cost for each of N grows from the first size to the second, as a multiple of how raw's does: what is linear
    /// grows no more than raw, beside what caches do.
    Growth { ours: [Figure; 2], raw: [Figure; 2] },
}

/// Which side of a bound is well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Better {
    Less,
    More,
}

/// One line of a row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Check {
    pub(super) says: &'static str,
    pub(super) yardstick: Yardstick,
    pub(super) better: Better,
    /// None where a figure is only shown.
    pub(super) must: Option<f64>,
    pub(super) aim: Option<f64>,
}

/// A row of the table.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) checks: &'static [Check],
}

impl Row {
    /// What has to be measured for those of its checks that are wanted, each once, in their order.
    pub(super) fn cells(&self, wanted: impl Fn(usize) -> bool) -> Vec<Cell> {
        let mut cells = Vec::new();
        for (_, check) in self.checks.iter().enumerate().filter(|(place, _)| wanted(*place)) {
            for figure in check.yardstick.figures() {
                if !cells.contains(&figure.cell) {
                    cells.push(figure.cell);
                }
            }
        }
        cells
    }
}

impl Yardstick {
    /// What it is made of; what it is compared with comes last.
    pub(super) fn figures(&self) -> Vec<Figure> {
        match *self {
            Self::Ratio(of, to) | Self::Beyond(of, to) => vec![of, to],
            Self::Itself(figure) => vec![figure],
            Self::Growth { ours, raw } => vec![ours[0], raw[0], ours[1], raw[1]],
        }
    }
}

const fn figure(subject: Subject, row: &'static str, n: usize, name: &'static str) -> Figure {
    Figure { cell: Cell { subject, row, n }, name }
}

/// A figure of ours as a multiple of raw's.
const fn to_raw(row: &'static str, n: usize, name: &'static str) -> Yardstick {
    Yardstick::Ratio(figure(Ours, row, n, name), figure(Raw, row, n, name))
}

const fn growth(row: &'static str, from: usize, to: usize, name: &'static str) -> Yardstick {
    Yardstick::Growth {
        ours: [figure(Ours, row, from, name), figure(Ours, row, to, name)],
        raw: [figure(Raw, row, from, name), figure(Raw, row, to, name)],
    }
}

const fn check(
    says: &'static str,
    yardstick: Yardstick,
    better: Better,
    must: f64,
    aim: Option<f64>,
) -> Check {
    Check { says, yardstick, better, must: Some(must), aim }
}

/// A figure that is shown beside raw's and that nothing is asked of.
const fn shown(says: &'static str, yardstick: Yardstick) -> Check {
    Check { says, yardstick, better: Less, must: None, aim: None }
}

/// What still counts as linear: caches are no part of the claim.
const LINEAR: f64 = 1.5;

/// The table.
pub(super) const ROWS: &[Row] = &[
    Row {
        name: "W1",
        about: "N children start",
        checks: &[
            shown("10, time", to_raw("W1", 10, "wall_ns_per_child")),
            shown("1 000, time", to_raw("W1", 1_000, "wall_ns_per_child")),
            check("10 000, time", to_raw("W1", 10_000, "wall_ns_per_child"), Less, 2.5, Some(1.75)),
            check("100 000, time", to_raw("W1", 100_000, "wall_ns_per_child"), Less, 2.5, Some(1.5)),
            check("1 000 000, time", to_raw("W1", 1_000_000, "wall_ns_per_child"), Less, 2.5, Some(1.75)),
            check(
                "10 000 to 1 000 000, growth",
                growth("W1", 10_000, 1_000_000, "wall_ns_per_child"),
                Less,
                LINEAR,
                None,
            ),
            check(
                "100 000, memory per child",
                Yardstick::Beyond(
                    figure(Ours, "W1", 100_000, "resident_bytes_per_child"),
                    figure(Raw, "W1", 100_000, "resident_bytes_per_child"),
                ),
                Less,
                400.0,
                Some(200.0),
            ),
        ],
    },
    Row {
        name: "W2",
        about: "a failed child runs again",
        checks: &[
            check("median", to_raw("W2", 1, "p50_ns"), Less, 1.0, Some(0.5)),
            check(
                "99th percentile, to raw's median",
                Yardstick::Ratio(figure(Ours, "W2", 1, "p99_ns"), figure(Raw, "W2", 1, "p50_ns")),
                Less,
                3.0,
                Some(1.0),
            ),
        ],
    },
    Row {
        name: "W3",
        about: "a million failures",
        checks: &[
            check("1 000 x 1 000, restarts/s", to_raw("W3", 1_000, "restarts_per_s"), More, 2.0, Some(3.0)),
            check("1 000 x 1 000, CPU", to_raw("W3", 1_000, "cpu_ns_per_restart"), Less, 0.6, Some(0.4)),
            check("10 x 100 000, restarts/s", to_raw("W3", 10, "restarts_per_s"), More, 1.5, None),
            check("100 000 x 10, restarts/s", to_raw("W3", 100_000, "restarts_per_s"), More, 1.5, None),
        ],
    },
    Row {
        name: "W4",
        about: "N children stop",
        checks: &[
            check(
                "10 000 in order",
                to_raw("W4-in-order", 10_000, "wall_ns_per_child"),
                Less,
                3.0,
                Some(2.0),
            ),
            check(
                "100 000 in order",
                to_raw("W4-in-order", 100_000, "wall_ns_per_child"),
                Less,
                3.0,
                Some(2.0),
            ),
            check(
                "in order, growth",
                growth("W4-in-order", 10_000, 100_000, "wall_ns_per_child"),
                Less,
                LINEAR,
                None,
            ),
            check("10 000 at once", to_raw("W4-at-once", 10_000, "wall_ns_per_child"), Less, 1.5, Some(0.75)),
            check(
                "100 000 at once",
                to_raw("W4-at-once", 100_000, "wall_ns_per_child"),
                Less,
                1.5,
                Some(0.75),
            ),
            check(
                "at once, growth",
                growth("W4-at-once", 10_000, 100_000, "wall_ns_per_child"),
                Less,
                LINEAR,
                None,
            ),
        ],
    },
    Row {
        name: "W5",
        about: "states and commands, among 10 000 children",
        checks: &[
            check("one state by key", against_a_question("W5-key"), Less, 0.5, Some(0.2)),
            check("one state by path", against_a_question("W5-path"), Less, 1.5, Some(1.0)),
            check("all states, idle", to_raw("W5-all", 10_000, "p50_ns"), Less, 10.0, Some(4.0)),
            check(
                "all states, in a storm",
                to_raw("W5-all-in-storm", 10_000, "p50_ns"),
                Less,
                10.0,
                Some(4.0),
            ),
            check("a restart by command", to_raw("W5-restart", 10_000, "p50_ns"), Less, 1.0, Some(0.6)),
        ],
    },
    Row {
        name: "W6",
        about: "N subscribers read the events of a storm",
        checks: &[
            shown("1, events given/s", to_raw("W6", 1, "given_per_s")),
            shown("10, events given/s", to_raw("W6", 10, "given_per_s")),
            check("100, events given/s", to_raw("W6", 100, "given_per_s"), More, 3.0, Some(8.0)),
            check("storm with 1, to none", against_no_reader(1), More, 0.7, Some(0.8)),
            check("storm with 10, to none", against_no_reader(10), More, 0.7, Some(0.8)),
            check("storm with 100, to none", against_no_reader(100), More, 0.7, Some(0.8)),
        ],
    },
    Row {
        name: "W7",
        about: "100 000 idle children for 10 s",
        checks: &[check(
            "CPU, ns",
            Yardstick::Itself(figure(Ours, "W7", 100_000, "cpu_ns")),
            Less,
            1_000_000.0,
            None,
        )],
    },
    Row {
        name: "W8",
        about: "crashes among many children",
        checks: &[
            check(
                "half of 10 000 and of 100 000 at once, growth",
                growth("W8", 10_000, 100_000, "cpu_ns_per_crash"),
                Less,
                LINEAR,
                None,
            ),
            check(
                "one among 100 000, to one among 10",
                Yardstick::Ratio(figure(Ours, "W2", 100_000, "p50_ns"), figure(Ours, "W2", 10, "p50_ns")),
                Less,
                1.2,
                None,
            ),
        ],
    },
    Row {
        name: "W9",
        about: "the control socket of 1 000 children, 1 and 16 connections",
        checks: &[
            check("hello, 1", to_raw("W9-hello", 1, "answers_per_s"), More, 0.6, Some(0.85)),
            check("hello, 16", to_raw("W9-hello", 16, "answers_per_s"), More, 0.6, Some(0.85)),
            check("state, 1", to_raw("W9-state", 1, "answers_per_s"), More, 0.6, Some(0.85)),
            check("state, 16", to_raw("W9-state", 16, "answers_per_s"), More, 0.6, Some(0.85)),
            check("events, 1", to_raw("W9-events", 1, "given_per_s"), More, 0.3, Some(0.6)),
            check("events, 16", to_raw("W9-events", 16, "given_per_s"), More, 0.3, Some(0.6)),
        ],
    },
    Row {
        name: "P",
        about: "programs",
        checks: &[
            check("one that ends at once, a life", to_raw("P1", 500, "wall_ns_per_life"), Less, 1.1, None),
            shown("1 000 started, each", to_raw("P2", 1_000, "start_ns_per_program")),
            shown("1 000 stopped, each", to_raw("P2", 1_000, "stop_ns_per_program")),
        ],
    },
];

/// By hand a state is asked for with a question to the owner.
const fn against_a_question(row: &'static str) -> Yardstick {
    Yardstick::Ratio(
        figure(Ours, row, 10_000, "wall_ns_per_read"),
        figure(Raw, "W5-state", 10_000, "wall_ns_per_read"),
    )
}

const fn against_no_reader(subscribers: usize) -> Yardstick {
    Yardstick::Ratio(
        figure(Ours, "W6", subscribers, "restarts_per_s"),
        figure(Ours, "W6", 0, "restarts_per_s"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aim_is_never_easier_than_what_must_be() {
        for (row, check) in ROWS.iter().flat_map(|row| row.checks.iter().map(move |check| (row.name, check)))
        {
            let Some((must, aim)) = check.must.zip(check.aim) else { continue };
            let harder = match check.better {
                Less => aim <= must,
                More => aim >= must,
            };
            assert!(harder, "{row} {}", check.says);
        }
    }

    #[test]
    fn each_measurement_of_a_row_is_made_once_however_many_checks_need_it() {
        let cells = ROWS[2].cells(|_| true);
        assert_eq!(cells.len(), 6);
        assert_eq!(cells[..2].iter().map(|cell| cell.subject).collect::<Vec<_>>(), [Ours, Raw]);
        assert_eq!(ROWS[2].cells(|place| place == 2).iter().map(|cell| cell.n).collect::<Vec<_>>(), [10, 10]);
    }
}
