//! The table, against our machine alone; `cargo xtask oracle` plays it in OTP too.

use supervisor_oracle::verdict::{self, Verdict};
use supervisor_oracle::{Scenario, play, rules, table};

fn scenarios() -> Vec<Scenario> {
    table::load().expect("the table can be read").into_iter().flat_map(|file| file.scenarios).collect()
}

#[test]
fn our_machine_does_what_the_table_says() {
    let mut wrong = String::new();
    for scenario in scenarios() {
        let ours = play(&scenario).unwrap_or_else(|problem| panic!("{}: {problem}", scenario.name));
        if let Verdict::Differ(story) = verdict::of_table(&scenario, None, &ours) {
            wrong += &format!("{}\n{story}", scenario.name);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn the_table_covers_every_rule_that_otp_can_show_and_no_story_is_told_twice() {
    let all = scenarios();
    assert_eq!(rules::mistakes(&all), [""; 0]);
    assert!(all.len() >= 150, "{}", all.len());
}

#[test]
fn what_differs_from_otp_cites_a_decision_and_is_rare() {
    let all = scenarios();
    let decided: Vec<_> = all.iter().filter_map(|scenario| scenario.decided.as_deref()).collect();
    for why in &decided {
        let number = why.strip_prefix('D').and_then(|rest| rest.split(' ').next()).unwrap_or_default();
        assert!(number.parse::<u32>().is_ok_and(|number| number <= 23), "`{why}` cites no decision");
        assert!(why.contains(" because "), "`{why}` gives no reason");
    }
    assert!(decided.len() * 100 <= all.len() * 5, "{} of {}", decided.len(), all.len());
}

#[test]
fn the_table_is_written_as_it_would_be_written_again() {
    for file in table::load().unwrap() {
        let before = std::fs::read_to_string(&file.path).unwrap();
        assert_eq!(file.text(), before, "{}: run `cargo xtask oracle --record`", file.path.display());
    }
}
