//! `docs/benchmarks.md`: the method, the machine, and what was found out.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;
use std::thread;
use std::time::Duration;

use super::table::{Check, Yardstick};
use super::verdict::{Judged, Tally, amount, bound, percent, sides, wobble};
use super::{MORE_ROUNDS, Measured, ROUNDS, clock};
use crate::{Outcome, shell};

const PATH: &str = "docs/benchmarks.md";

/// Writes the page.
pub(super) fn write(rows: &[Measured], tally: &Tally, took: Duration) -> Outcome {
    let path = shell::root().join(PATH);
    let text = page(rows, tally, &machine(), took);
    fs::write(&path, text).map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
    println!("\n{PATH} is written");
    Ok(())
}

fn page(rows: &[Measured], tally: &Tally, machine: &str, took: Duration) -> String {
    let mut text = format!(
        "# What supervision costs\n\n\
         Written by `cargo xtask bench`; do not edit. The programs that are measured are in `benches/`: each row is one \
         file there, which has both sides and says what is timed.\n\n\
         ## Method\n\n\
         - *Raw* is bare tokio written by hand: a `JoinSet`, one child `CancellationToken` per child, a loop that spawns again \
         what has failed. No names, no policy, no events. *Ours* is the public API of this library with its default \
         options, plus what the row says.\n\
         - Each measurement is a process of its own: release build, multi-thread runtime with two workers. Both sides of a row are \
         run in turn, {ROUNDS} times; when what comes out is nearer to what must be than the noise, {MORE_ROUNDS} \
         times. Figures are medians.\n\
         - *Noise* is by how much two runs in a row of what we are compared with differ: it is raw against itself. *Spread* is how far the values of \
         ours lie apart, from the least to the most.\n\
         - *Growth* is how much more a child costs at the second size than at the first, as a multiple of raw's. What is \
         linear stays at 1; up to 1.5 it is put down to caches.\n\
         - Absolute figures say something about this machine only.\n\
         - What others make of the rows that they can do is measured by `cargo xtask bench --peers`, which writes \
         `benchmarks-peers.md` beside this page.\n\n\
         Measured on: {machine}. It took {}. Raw differs from itself by {}, in the median of all checks.\n\n\
         `{}`\n",
        clock(took),
        percent(raw_against_itself(rows)),
        tally.line(rows.len()),
    );
    for Measured { row, judged, .. } in rows {
        let _ = write!(
            text,
            "\n## {}: {}\n\n| what | ours to what it is compared with | comes to | must | aim | noise | spread | runs |\n\
             |---|---|---|---|---|---|---|---|\n",
            row.name, row.about
        );
        for (check, judged) in row.checks.iter().zip(judged) {
            text += &table_line(check, judged);
        }
    }
    text
}

fn table_line(check: &Check, judged: &Judged) -> String {
    let says = check.says;
    let said = |asked: Option<f64>| asked.map_or_else(|| "-".to_owned(), |asked| bound(check, asked));
    let (must, aim) = (said(check.must), said(check.aim));
    let found = match judged {
        Judged::Found(found) => found,
        Judged::Missing(problem) => {
            let problem = problem.replace(['|', '\n'], " ");
            return format!("| {says} | {problem} | **not measured** | {must} | {aim} | - | - | - |\n");
        }
    };
    let value = amount(check, found.value);
    let value = match (found.must_kept, found.aim_reached) {
        (Some(false), _) => format!("**{value}, missed**"),
        (_, Some(true)) => format!("{value}, aim reached"),
        _ => value,
    };
    format!(
        "| {says} | {} | {value} | {must} | {aim} | {} | {} | {} |\n",
        sides(check, found),
        amount(check, found.noise),
        percent(found.spread),
        found.runs
    )
}

/// By how much what we are compared with differs from itself, over all checks.
fn raw_against_itself(rows: &[Measured]) -> f64 {
    let mut shares: Vec<f64> = Vec::new();
    for row in rows {
        for check in row.row.checks {
            if let Yardstick::Ratio(_, to) | Yardstick::Beyond(_, to) = check.yardstick {
                shares.extend(row.samples.of(to).ok().map(|values| wobble(&values)));
            }
        }
    }
    shares.sort_by(f64::total_cmp);
    shares.get(shares.len() / 2).copied().unwrap_or(0.0)
}

/// The machine's kind, in words.
pub(super) fn machine() -> String {
    let processor = line_of("/proc/cpuinfo", "model name").unwrap_or_else(|| "an unknown processor".into());
    let kib = line_of("/proc/meminfo", "MemTotal")
        .and_then(|text| text.split(' ').next()?.parse::<u64>().ok())
        .unwrap_or(0);
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut rustc = Command::new("rustc");
    rustc.arg("--version");
    let rustc = shell::output(rustc).unwrap_or_default();
    format!("{cores} cores of {processor}, {} GiB, Linux {}, {}", kib >> 20, kernel.trim(), rustc.trim())
}

/// What stands behind the first line of a file that begins with this word.
fn line_of(path: &str, word: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(word))?;
    line.split_once(':').map(|(_, value)| value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::samples::Samples;
    use crate::bench::table::ROWS;
    use crate::bench::verdict;

    #[test]
    fn the_page_has_a_line_for_each_check_and_says_which_are_missed() {
        let row = &ROWS[1];
        let mut samples = Samples::default();
        for figure in row.checks[0].yardstick.figures() {
            samples.put(figure, &[400.0, 440.0]);
        }
        let judged = row.checks.iter().map(|check| verdict::judge(check, &samples)).collect::<Vec<_>>();
        let tally =
            Tally::of(row.checks.iter().zip(&judged).map(|(check, judged)| (row.name, check, judged)));
        let rows = [Measured { row, samples, judged }];
        let text = page(&rows, &tally, "a machine", Duration::from_secs(61));
        assert!(text.contains("`bench: rows=1 must=1/2 aim=0/2`"), "{text}");
        assert!(
            text.contains("| median | 420 ns to 420 ns | 1.00x | ≤ 1.00x | ≤ 0.50x | 0.10x | 10 % | 2 |"),
            "{text}"
        );
        assert!(text.contains("**not measured**"), "{text}");
        assert!(text.contains("It took 1:01. Raw differs from itself by 10 %"), "{text}");
    }
}
