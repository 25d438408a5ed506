//! Who waits for whom, among units that are read together.

use supervisor_yaml::printable;

use super::super::At;
use super::super::sheet::{Sheet, Wait};
use super::left;
use super::unit::Unit;

/// What a unit says of another.
#[derive(Debug)]
pub(super) struct Relation {
    pub(super) at: At,
    /// `After`, for example.
    pub(super) key: String,
    /// The name of the other unit.
    pub(super) other: String,
}

/// Relations that order starts, or that say what is needed.
pub(super) const KEYS: &[&str] =
    &["After", "Before", "Requires", "Wants", "BindsTo", "PartOf", "Requisite", "Upholds"];

/// Makes dependencies of the relations, and tells which are none.
pub(super) fn settle(sheet: &mut Sheet, units: &mut [Unit]) {
    let all: Vec<(usize, Relation)> = units
        .iter_mut()
        .enumerate()
        .flat_map(|(at, unit)| {
            std::mem::take(&mut unit.relations).into_iter().map(move |relation| (at, relation))
        })
        .collect();
    for (at, relation) in &all {
        let key = format!("Unit.{}", relation.key);
        let other = units.iter().position(|unit| unit.file == relation.other);
        let (waits, on) = match (relation.key.as_str(), other) {
            ("BindsTo" | "PartOf" | "Requisite" | "Upholds", _) => {
                sheet.leave(relation.at, key, left::why(&relation.key));
                continue;
            }
            (_, None) => {
                sheet.leave(relation.at, key, elsewhere(&relation.other));
                continue;
            }
            ("After", Some(other)) => (*at, other),
            ("Before", Some(other)) => (other, *at),
            // It is started with the others anyway; `After` says in which order.
            (_, Some(_)) => continue,
        };
        if waits == on {
            sheet.leave(relation.at, key, "a unit cannot wait for itself");
            continue;
        }
        let needs = all.iter().any(|(of, relation)| {
            *of == waits
                && matches!(relation.key.as_str(), "Requires" | "BindsTo")
                && relation.other == units[on].file
        });
        let until = units[on].until(needs);
        let name = units[on].child.said.clone();
        let known = units[waits].child.waits.iter().any(|wait| wait.on == name);
        if !known {
            units[waits].child.waits.push(Wait { at: relation.at, key, on: name, until });
        }
    }
}

/// What is said of a unit that was not read.
fn elsewhere(other: &str) -> String {
    let shown = printable(other);
    if other.ends_with(".service") {
        return format!(
            "{shown} was not read; name its file, too, if it is to be in the stack, or say it in the unit of the supervisor"
        );
    }
    format!("{shown} is not of the stack; say it in the unit of the supervisor")
}
