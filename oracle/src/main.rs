//! Plays the table and random scenarios in a real OTP and in our machine, and compares.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this program talks to a developer at a terminal"
)]

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::process::ExitCode;

use supervisor_oracle::model::{Scenario, Trace};
use supervisor_oracle::verdict::{self, Verdict};
use supervisor_oracle::{Otp, canonical, fair, planted, play, random, rules, shrink, table, text};

const HELP: &str = "\
Plays the same scenarios in a real OTP supervisor and in our machine, and compares. Needs `erl` and `erlc`.

  --random N    so many random scenarios beside the table; 4000 when nothing is said
  --from S      the seed of the first random one; a new one when nothing is said
  --seed S      only the random scenario of this seed, with what was seen
  --only TEXT   only scenarios of the table whose name contains TEXT, and no random ones unless --random says so
  --show        print every scenario with what was seen
  --record      write what was seen into the table; look at the difference before you keep it
  --planted     the table against our machine with faults in it, without OTP: which scenarios find them?

The last line is `oracle: scenarios=… agree=… decided=… differ=…`. It fails when anything differs, or when more than
5 % differ by a decision.";

/// More differences than this by a decision are too many, in percent.
const MAX_DECIDED: usize = 5;

/// Random scenarios when nothing is said.
const RANDOM: usize = 4000;

/// So many differences of random scenarios are shrunk and shown.
const SHOWN: usize = 3;

#[derive(Default)]
struct Options {
    random: Option<usize>,
    from: Option<u64>,
    seed: Option<u64>,
    only: Option<String>,
    show: bool,
    record: bool,
    planted: bool,
    help: bool,
}

#[derive(Default)]
struct Tally {
    agree: usize,
    decided: usize,
    differ: usize,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match options(&arguments).and_then(|options| run(&options)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            eprintln!("oracle: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn options(arguments: &[String]) -> Result<Options, String> {
    let mut options = Options::default();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let mut value = || rest.next().ok_or_else(|| format!("`{argument}` needs a value"));
        let number = |text: &String| text.parse().map_err(|_| format!("`{text}` is no number"));
        match argument.as_str() {
            "--random" => options.random = Some(number(value()?)? as usize),
            "--from" => options.from = Some(number(value()?)?),
            "--seed" => options.seed = Some(number(value()?)?),
            "--only" => options.only = Some(value()?.clone()),
            "--show" => options.show = true,
            "--record" => options.record = true,
            "--planted" => options.planted = true,
            "-h" | "--help" => options.help = true,
            other => return Err(format!("there is no option `{other}`\n\n{HELP}")),
        }
    }
    Ok(options)
}

/// Says whether all is well.
fn run(options: &Options) -> Result<bool, String> {
    if options.help {
        println!("{HELP}");
        return Ok(true);
    }
    if options.planted {
        return planted::hunt();
    }
    let mut otp = Otp::start()?;
    let mut tally = Tally::default();
    if let Some(seed) = options.seed {
        let one = [random::scenario(seed)];
        compare_random(&mut otp, true, &one, &mut tally)?;
    } else {
        let stories = play_table(&mut otp, options, &mut tally)?;
        let count = options.random.unwrap_or(if options.only.is_some() { 0 } else { RANDOM });
        if count > 0 && !options.record {
            play_random(&mut otp, options, count, stories, &mut tally)?;
        }
    }
    if let Some(slowness) = otp.slowness() {
        println!("{slowness}");
    }
    let Tally { agree, decided, differ } = tally;
    let scenarios = agree + decided + differ;
    let too_many = decided * 100 > scenarios * MAX_DECIDED && options.only.is_none();
    if too_many {
        println!("more than {MAX_DECIDED} % of the scenarios differ by a decision");
    }
    println!("oracle: scenarios={scenarios} agree={agree} decided={decided} differ={differ}");
    Ok(differ == 0 && !too_many)
}

/// Plays the table, and returns the stories that were told.
fn play_table(otp: &mut Otp, options: &Options, tally: &mut Tally) -> Result<BTreeSet<String>, String> {
    let mut files = table::load()?;
    let all: Vec<Scenario> = files.iter().flat_map(|file| file.scenarios.clone()).collect();
    let mistakes = rules::mistakes(&all);
    if !mistakes.is_empty() {
        return Err(format!("{}; the rules of the table stand in oracle/src/rules.rs", mistakes.join(", ")));
    }
    let chosen: Vec<Scenario> = all
        .into_iter()
        .filter(|scenario| options.only.as_ref().is_none_or(|part| scenario.name.contains(part.as_str())))
        .collect();
    println!("the table: {} scenarios", chosen.len());
    let seen = play_otp(otp, &chosen);
    for (scenario, otp) in chosen.iter().zip(&seen) {
        let ours = play(scenario).map_err(|problem| format!("`{}`: {problem}", scenario.name))?;
        if options.record {
            let otp = otp.as_ref().map_err(|problem| format!("`{}`: {problem}", scenario.name))?;
            let written = files.iter_mut().flat_map(|file| &mut file.scenarios);
            if let Some(written) = written.into_iter().find(|written| written.name == scenario.name) {
                table::record(written, otp, &ours);
            }
        }
        if options.show {
            show(scenario, otp, &ours);
        }
        let verdict = verdict::of_table(scenario, Some(otp), &ours);
        count(tally, scenario, verdict);
    }
    if options.record {
        for file in &files {
            file.save()?;
        }
    }
    Ok(chosen.iter().map(canonical).collect())
}

fn play_random(
    otp: &mut Otp,
    options: &Options,
    count: usize,
    mut stories: BTreeSet<String>,
    tally: &mut Tally,
) -> Result<(), String> {
    let first = options.from.unwrap_or_else(|| RandomState::new().build_hasher().finish() % 1_000_000_000);
    println!("random: {count} scenarios from seed {first}; again with `--random {count} --from {first}`");
    // A story that was told before is not counted again. Hardly any is.
    let fresh = (first..).take(2 * count).map(random::scenario);
    let chosen: Vec<Scenario> =
        fresh.filter(|scenario| stories.insert(canonical(scenario))).take(count).collect();
    if chosen.len() < count {
        return Err(format!("only {} of {count} random scenarios are different ones", chosen.len()));
    }
    let nested = chosen.iter().filter(|scenario| scenario.is_nested()).count();
    println!("random: {nested} of them with a nested supervisor");
    compare_random(otp, options.show, &chosen, tally)
}

fn compare_random(
    otp: &mut Otp,
    all_shown: bool,
    chosen: &[Scenario],
    tally: &mut Tally,
) -> Result<(), String> {
    let seen = play_otp(otp, chosen);
    let mut shown = 0;
    for (scenario, seen) in chosen.iter().zip(&seen) {
        let ours = fair::play(scenario).map_err(|problem| format!("`{}`: {problem}", scenario.name))?;
        if all_shown {
            show(scenario, seen, &ours);
        }
        let verdict = verdict::of_random(scenario, seen, &ours);
        let differs = matches!(verdict, Verdict::Differ(_));
        count(tally, scenario, verdict);
        if differs && shown < SHOWN {
            shown += 1;
            show_shrunk(otp, scenario)?;
        }
    }
    Ok(())
}

/// Plays scenarios in OTP and shows how far it is.
fn play_otp(otp: &mut Otp, scenarios: &[Scenario]) -> Vec<Result<Trace, String>> {
    let (total, step) = (scenarios.len(), (scenarios.len() / 5).max(100));
    let mut done = 0;
    otp.play(scenarios, || {
        done += 1;
        if done % step == 0 && done < total {
            println!("  {done} of {total} played in OTP");
        }
    })
}

fn count(tally: &mut Tally, scenario: &Scenario, verdict: Verdict) {
    match verdict {
        Verdict::Agree => tally.agree += 1,
        Verdict::Decided => tally.decided += 1,
        Verdict::Differ(story) => {
            tally.differ += 1;
            println!("DIFFERS: {}\n{story}", scenario.name);
        }
    }
}

fn show(scenario: &Scenario, otp: &Result<Trace, String>, ours: &Trace) {
    let mut scenario = scenario.clone();
    match otp {
        Ok(otp) => table::record(&mut scenario, otp, ours),
        Err(problem) => println!("{problem}"),
    }
    println!("{}", text::write(&scenario));
}

fn show_shrunk(otp: &mut Otp, scenario: &Scenario) -> Result<(), String> {
    println!(
        "{}; it is being made shorter; again with `--seed {}`",
        scenario.name,
        scenario.name.trim_start_matches("random ")
    );
    let mut short = shrink(otp, scenario.clone());
    let ours = fair::play(&short)?;
    if let Some(Ok(seen)) = otp.play(std::slice::from_ref(&short), || {}).first() {
        table::record(&mut short, seen, &ours);
    }
    short.name = format!("{}, shrunk", short.name);
    println!("{}", text::write(&short));
    Ok(())
}
