//! `docs/benchmarks-peers.md`: what others make of the rows that they can do.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;
use std::time::Duration;

use super::page::machine;
use super::peers::{ALL, Column, Compared, LIMIT, LONG, Peer, ROUNDS};
use super::samples::{Missing, Samples};
use super::table::Subject;
use super::{PEERS_MANIFEST, clock};
use crate::{Outcome, shell};

const PATH: &str = "docs/benchmarks-peers.md";

/// Writes the page.
pub(super) fn write(rows: &[Compared], subjects: &[Subject], took: Duration) -> Outcome {
    let path = shell::root().join(PATH);
    let text = page(rows, subjects, &versions(subjects)?, &machine(), took);
    fs::write(&path, text).map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
    println!("\n{PATH} is written");
    Ok(())
}

fn page(rows: &[Compared], subjects: &[Subject], versions: &str, machine: &str, took: Duration) -> String {
    let mut text = format!(
        "# What supervision costs others\n\n\
         Written by `cargo xtask bench --peers`; do not edit. The programs that are measured are in `benches/peers` and \
         `benches/erlang`; each says at its top what it takes of its library.\n\n\
         ## Method\n\n\
         - The rows are those of [benchmarks.md](benchmarks.md), which says what *raw* and *ours* are. What a child does, and \
         where the clock is read, is the same code for all but Erlang/OTP, which has the same in its own language.\n\
         - A peer is used as its documentation shows, with its default options, but for what a row needs: limits of restarts that \
         no row reaches, and the least delay. It does the rows for which it has means of its own; what it *cannot* do it says.\n\
         - Peers differ in what they do for a child: some have no names, no policy, no events, or tell nothing of how a child \
         has ended. What one does not do costs it nothing here.\n\
         - All are run in turn, {ROUNDS} times, each measurement in a process of its own; what takes over {} s is run \
         once, and nobody is waited for over {} s. Figures are medians, and multiples of raw's.\n\
         - Absolute figures say something about this machine only.\n\n\
         Measured on: {machine}. It took {}. {versions}\n",
        LONG.as_secs(),
        LIMIT.as_secs(),
        clock(took),
    );
    for compared in rows {
        let _ = write!(text, "\n## {}: {}\n\n", compared.row.name, compared.row.about);
        text += &table(compared, subjects);
    }
    text
}

/// A line for each subject, a column for each figure of the row.
pub(super) fn table(compared: &Compared, subjects: &[Subject]) -> String {
    let columns = Column::all(compared.row);
    let heads: Vec<_> = columns.iter().map(|column| column.says).collect();
    let mut text = format!("| who | {} |\n|---|{}\n", heads.join(" | "), "---|".repeat(heads.len()));
    for subject in subjects {
        let cells = cells(&columns, *subject, &compared.samples);
        let _ = writeln!(text, "| {} | {} |", name(*subject), cells.join(" | "));
    }
    text
}

/// What a subject comes to in each column. A reason that is the same in the next column is told once.
fn cells(columns: &[Column], subject: Subject, samples: &Samples) -> Vec<String> {
    let mut told = None;
    let mut cells = Vec::new();
    for column in columns {
        let value = column.value(subject, samples);
        cells.push(match &value {
            Ok(value) => value.clone(),
            Err(Missing::Cannot(_)) if told.as_ref() == Some(&value) => "cannot".to_owned(),
            Err(Missing::TooLate(_, limit)) => format!("over {} s", limit.as_secs()),
            Err(missing @ Missing::Cannot(_)) => missing.to_string().replace(['|', '\n'], " "),
            Err(missing @ Missing::Broken(_)) => format!("failed: {missing}").replace(['|', '\n'], " "),
        });
        told = Some(value);
    }
    cells
}

fn name(subject: Subject) -> &'static str {
    match subject {
        Subject::Raw => "raw",
        Subject::Ours => "ours",
        Subject::Peer(Peer::Erlang) => "Erlang/OTP",
        Subject::Peer(Peer::Package(name)) => name,
    }
}

/// Which versions were measured, in a sentence.
fn versions(subjects: &[Subject]) -> Result<String, String> {
    let lock = shell::root().join(PEERS_MANIFEST).with_file_name("Cargo.lock");
    let lock =
        fs::read_to_string(&lock).map_err(|error| format!("{} cannot be read: {error}", lock.display()))?;
    let mut versions = Vec::new();
    for peer in ALL.iter().filter(|peer| subjects.contains(&Subject::Peer(**peer))) {
        let version = match peer {
            Peer::Erlang => release()?,
            Peer::Package(name) => locked(name, &lock)?,
        };
        versions.push(format!("{} {version}", name(Subject::Peer(*peer))));
    }
    let absent =
        if subjects.contains(&Subject::Peer(Peer::Erlang)) { "" } else { " Erlang/OTP was not installed." };
    Ok(format!("Peers: {}.{absent}", versions.join(", ")))
}

/// The version of a package that a lock file names.
fn locked(name: &str, lock: &str) -> Result<String, String> {
    let lock: toml::Table = lock.parse().map_err(|error| format!("the peers' Cargo.lock: {error}"))?;
    let packages = lock.get("package").and_then(toml::Value::as_array).into_iter().flatten();
    let mut package =
        packages.filter(|package| package.get("name").and_then(toml::Value::as_str) == Some(name));
    let version = package.next().and_then(|package| package.get("version")?.as_str().map(str::to_owned));
    version.ok_or_else(|| format!("the peers' Cargo.lock has no `{name}`"))
}

/// The release of OTP that is installed.
fn release() -> Result<String, String> {
    let mut erl = Command::new("erl");
    erl.args(["-noshell", "-eval", "io:put_chars(erlang:system_info(otp_release)), halt()."]);
    shell::output(erl)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::table::{Cell, Figure, ROWS};

    const PEER: Subject = Subject::Peer(Peer::Package("kameo"));

    fn figure(row: &'static str, n: usize, name: &'static str, subject: Subject) -> Figure {
        Figure { cell: Cell { subject, row, n }, name }
    }

    fn compared(samples: Samples) -> Compared {
        Compared { row: &ROWS[3], samples }
    }

    #[test]
    fn the_page_has_a_line_for_each_subject_and_each_figure_beside_raw() {
        let mut samples = Samples::default();
        samples.put(figure("W4-in-order", 10_000, "wall_ns_per_child", Subject::Raw), &[100.0, 200.0, 300.0]);
        samples.put(figure("W4-in-order", 10_000, "wall_ns_per_child", PEER), &[500.0]);
        let text = page(
            &[compared(samples)],
            &[Subject::Raw, PEER],
            "Peers: kameo 1.2.3.",
            "a machine",
            Duration::from_secs(61),
        );
        assert!(
            text.contains("## W4: N children stop\n\n| who | 10 000 in order | 100 000 in order |"),
            "{text}"
        );
        assert!(
            text.contains("\n| raw | 200 ns, 1.00x |") && text.contains("\n| kameo | 500 ns, 2.50x |"),
            "{text}"
        );
        assert!(text.contains("It took 1:01. Peers: kameo 1.2.3."), "{text}");
        assert!(!text.contains("growth"), "{text}");
    }

    #[test]
    fn what_a_peer_cannot_do_or_not_in_time_or_broke_at_is_shown_in_its_place() {
        let mut samples = Samples::default();
        let cell = |row, n| Cell { subject: PEER, row, n };
        for n in [10_000, 100_000] {
            samples.lack(cell("W4-in-order", n), Missing::Cannot("it has no order".into()));
        }
        samples.lack(cell("W4-at-once", 10_000), Missing::TooLate(cell("W4-at-once", 10_000), LIMIT));
        samples.lack(cell("W4-at-once", 100_000), Missing::Broken("it | broke\nhere".into()));
        let text = table(&compared(samples), &[PEER]);
        let line = "| kameo | cannot: it has no order | cannot | over 60 s | failed: it   broke here |";
        assert!(text.contains(line), "{text}");
    }

    #[test]
    fn the_versions_are_those_of_the_lock_file() {
        let lock = "[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n[[package]]\nname = \"b\"\nversion = \"2.1.0\"\n";
        assert_eq!(locked("b", lock).unwrap(), "2.1.0");
        assert!(locked("c", lock).unwrap_err().contains("has no `c`"));
    }
}
