//! The table against our machine with a fault built into it (`--cfg planted`), one fault after the other: does a
//! scenario that names a rule differ when that rule is broken? This shows that the table bites.

/// Plays the table under every fault; says whether each rule of the table has a scenario that differs under some.
///
/// # Errors
/// A sentence, when the faults are not built in or the table cannot be read.
#[cfg(not(planted))]
pub fn hunt() -> Result<bool, String> {
    Err("the faults are not built in; run `cargo xtask oracle --planted`".into())
}

#[cfg(planted)]
pub use hunting::hunt;

#[cfg(planted)]
#[expect(clippy::print_stdout, reason = "this program talks to a developer at a terminal")]
mod hunting {
    use std::collections::{BTreeMap, BTreeSet};
    use std::panic;

    use supervisor_core::faults::{CATALOGUE, Planted, plant};

    use crate::model::Scenario;
    use crate::verdict::{self, Verdict};
    use crate::{play, rules, table};

    /// What was found out about one rule.
    #[derive(Default)]
    struct Row {
        scenarios: usize,
        /// Faults that are said to break it and under which one of its scenarios differs.
        own: BTreeSet<&'static str>,
        /// Other faults under which one of its scenarios differs.
        other: BTreeSet<&'static str>,
    }

    /// Plays the table under every fault; says whether each rule of the table has a scenario that differs under some.
    ///
    /// # Errors
    /// A sentence, when the table cannot be read.
    pub fn hunt() -> Result<bool, String> {
        let files = table::load()?;
        let all: Vec<Scenario> = files.into_iter().flat_map(|file| file.scenarios).collect();
        let mut rows: BTreeMap<String, Row> =
            rules::wanted().into_iter().map(|rule| (rule, Row::default())).collect();
        for rule in all.iter().flat_map(|scenario| &scenario.rules) {
            rows.entry(rule.clone()).or_default().scenarios += 1;
        }
        let mut dull: BTreeSet<&str> = all.iter().map(|scenario| scenario.name.as_str()).collect();
        // A fault may well lead to a panic; that is a difference like any other.
        let said = panic::take_hook();
        panic::set_hook(Box::new(|_| {}));
        let mut found = 0;
        for fault in CATALOGUE {
            let caught: Vec<&Scenario> = all.iter().filter(|scenario| differs(scenario, fault)).collect();
            found += usize::from(!caught.is_empty());
            for scenario in caught {
                dull.remove(scenario.name.as_str());
                for rule in &scenario.rules {
                    let row = rows.entry(rule.clone()).or_default();
                    let own = fault.breaks.contains(&rule.as_str());
                    if own { &mut row.own } else { &mut row.other }.insert(fault.name);
                }
            }
        }
        panic::set_hook(said);
        Ok(tell(&rows, &dull, found))
    }

    fn differs(scenario: &Scenario, planted: &Planted) -> bool {
        plant(Some(planted.fault));
        let ours = panic::catch_unwind(|| play(scenario));
        plant(None);
        match ours {
            Ok(Ok(ours)) => matches!(verdict::of_table(scenario, None, &ours), Verdict::Differ(_)),
            Ok(Err(_)) | Err(_) => true,
        }
    }

    fn tell(rows: &BTreeMap<String, Row>, dull: &BTreeSet<&str>, found: usize) -> bool {
        let mut missed = Vec::new();
        let mut borrowed = 0;
        for (rule, row) in rows {
            let (from, faults) =
                if row.own.is_empty() { ("by others: ", &row.other) } else { ("", &row.own) };
            borrowed += usize::from(row.own.is_empty());
            let mut names: Vec<_> = faults.iter().copied().collect();
            if names.is_empty() {
                missed.push(rule.as_str());
            }
            let more = names.len().saturating_sub(3);
            names.truncate(3);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            println!("{rule:<26} {:>2} scenarios  {from}{}{more}", row.scenarios, names.join(", "));
        }
        for name in dull {
            println!("no fault changes: {name}");
        }
        if !missed.is_empty() {
            println!("no fault shows that these are tested: {}", missed.join(", "));
        }
        println!(
            "oracle: rules={} caught={} by_other_faults={} planted_found={found}/{}",
            rows.len(),
            rows.len() - missed.len(),
            borrowed - missed.len(),
            CATALOGUE.len()
        );
        missed.is_empty()
    }
}
