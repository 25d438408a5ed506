//! When cron expressions say that it is time.
//!
//! ```text
//!  ┌ minute (0-59)
//!  │  ┌ hour (0-23)
//!  │  │ ┌ day of the month (1-31)
//!  │  │ │ ┌ month (1-12, JAN-DEC)
//!  │  │ │ │ ┌ day of the week (0-7, SUN-SAT; 0 and 7 are Sunday)
//!  30 2 * * MON-FRI
//! ```
//!
//! A field is `*`, a number, a range, one of these with a step (`*/5`, `10-20/2`), or several of them with commas. When both
//! days are restricted, either will do, as in cron since ever. A time that a change of the clocks leaves out comes as long after as the
//! clocks were moved; one that comes twice counts the first time.

use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// The longest that is looked ahead: a 29 February on a given day of the week comes within 40 years.
const YEARS: i16 = 41;

/// Which numbers a field allows, a bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Field {
    bits: u64,
    /// It began with `*`: it restricts nothing by itself.
    open: bool,
}

impl Field {
    fn has(self, number: i8) -> bool {
        u32::try_from(number).is_ok_and(|number| self.bits >> number & 1 == 1)
    }
}

/// A cron expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cron {
    minutes: Field,
    hours: Field,
    days: Field,
    months: Field,
    weekdays: Field,
}

impl Cron {
    /// Reads an expression.
    ///
    /// # Errors
    ///
    /// A sentence that names the field.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = match text.trim() {
            "@hourly" => "0 * * * *",
            "@daily" | "@midnight" => "0 0 * * *",
            "@weekly" => "0 0 * * 0",
            "@monthly" => "0 0 1 * *",
            "@yearly" | "@annually" => "0 0 1 1 *",
            other => other,
        };
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields[..] else {
            return Err(format!(
                "'{}' has {} fields; cron has five: minute, hour, day of the month, month, day of the week",
                text.escape_debug(),
                fields.len()
            ));
        };
        let mut weekdays = field("day of the week", weekdays, 0..=7, &DAYS, 0)?;
        weekdays.bits |= weekdays.bits >> 7 & 1;
        let cron = Self {
            minutes: field("minute", minutes, 0..=59, &[], 0)?,
            hours: field("hour", hours, 0..=23, &[], 0)?,
            days: field("day of the month", days, 1..=31, &[], 0)?,
            months: field("month", months, 1..=12, &MONTHS, 1)?,
            weekdays,
        };
        let from = DateTime::constant(2024, 1, 1, 0, 0, 0, 0);
        match cron.civil_after(from) {
            Some(_) => Ok(cron),
            None => Err(format!("'{}' never comes: no month has such a day", text.escape_debug())),
        }
    }

    /// The first time after `now` in this time zone.
    pub(crate) fn after(&self, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let mut civil = zone.to_datetime(now);
        loop {
            civil = self.civil_after(civil)?;
            let time = zone.to_ambiguous_timestamp(civil).compatible().ok()?;
            // What comes twice has come already the second time.
            if time > now {
                return Some(time);
            }
        }
    }

    /// The first minute after this one, whatever clocks do.
    fn civil_after(&self, after: DateTime) -> Option<DateTime> {
        let last = after.year().saturating_add(YEARS);
        let (mut date, mut first) = (after.date(), Some(after));
        while date.year() <= last {
            if self.allows(date) {
                let earliest =
                    first.map_or(-1, |after| i32::from(after.hour()) * 60 + i32::from(after.minute()));
                if let Some((hour, minute)) = self.minute_after(earliest) {
                    return Some(date.at(hour, minute, 0, 0));
                }
            }
            (date, first) = (date.checked_add(1.day()).ok()?, None);
        }
        None
    }

    fn allows(&self, date: Date) -> bool {
        let weekday = match date.weekday() {
            Weekday::Sunday => 0,
            other => other.to_monday_one_offset(),
        };
        let (day, weekday) = (self.days.has(date.day()), self.weekdays.has(weekday));
        let either = !self.days.open && !self.weekdays.open;
        self.months.has(date.month()) && if either { day || weekday } else { day && weekday }
    }

    /// The first minute of a day after that many have passed, as hour and minute.
    fn minute_after(&self, minutes: i32) -> Option<(i8, i8)> {
        (0..24_i8).filter(|hour| self.hours.has(*hour)).find_map(|hour| {
            let later = |minute: &i8| i32::from(hour) * 60 + i32::from(*minute) > minutes;
            let minute = (0..60_i8).filter(|minute| self.minutes.has(*minute)).find(later)?;
            Some((hour, minute))
        })
    }
}

fn field(
    name: &str,
    text: &str,
    range: std::ops::RangeInclusive<u8>,
    names: &[&str],
    first_name: u8,
) -> Result<Field, String> {
    let (least, most) = (*range.start(), *range.end());
    let number = |word: &str| {
        let named = names.iter().position(|known| word.eq_ignore_ascii_case(known));
        let named = named.and_then(|at| u8::try_from(at).ok()).map(|at| at + first_name);
        let plain = || word.bytes().all(|byte| byte.is_ascii_digit()).then(|| word.parse().ok()).flatten();
        named.or_else(plain).filter(|number| range.contains(number)).ok_or_else(|| {
            format!("the {name} '{}' is no number from {least} to {most}", word.escape_debug())
        })
    };
    let mut bits = 0_u64;
    for part in text.split(',') {
        let (part, step) = match part.split_once('/') {
            Some((part, step)) => match step.parse::<u8>() {
                Ok(step) if step > 0 => (part, Some(step)),
                _ => {
                    return Err(format!(
                        "the step '{}' of the {name} is no number above 0",
                        step.escape_debug()
                    ));
                }
            },
            None => (part, None),
        };
        let (from, to) = match part.split_once('-') {
            _ if part == "*" => (least, most),
            Some((from, to)) => (number(from)?, number(to)?),
            // `5/15` is from 5 on, as cron reads it.
            None if step.is_some() => (number(part)?, most),
            None => (number(part)?, number(part)?),
        };
        if from > to {
            return Err(format!("the range '{}' of the {name} goes backwards", part.escape_debug()));
        }
        (from..=to).step_by(step.unwrap_or(1).into()).for_each(|number| bits |= 1 << number);
    }
    Ok(Field { bits, open: text.starts_with('*') })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(cron: &str, now: &str, zone: &str) -> String {
        let zone = TimeZone::get(zone).unwrap();
        let now = now.parse::<DateTime>().unwrap().to_zoned(zone.clone()).unwrap().timestamp();
        let cron = Cron::parse(cron).unwrap_or_else(|error| panic!("{error}"));
        cron.after(now, &zone).unwrap().to_zoned(zone).strftime("%a %F %H:%M %z").to_string()
    }

    #[test]
    fn the_next_time_is_what_cron_would_say() {
        for (cron, now, expected) in [
            ("30 2 * * *", "2026-11-23T02:29:59", "Mon 2026-11-23 02:30"),
            ("30 2 * * *", "2026-11-23T02:30:00", "Tue 2026-11-24 02:30"),
            ("*/15 * * * *", "2026-11-23T23:46:00", "Tue 2026-11-24 00:00"),
            ("5/20 8-9 * * *", "2026-11-23T08:26:00", "Mon 2026-11-23 08:45"),
            ("0 0 1 * *", "2026-11-23T00:00:00", "Tue 2026-12-01 00:00"),
            ("0 9 * * mon-FRI", "2026-11-27T09:00:00", "Mon 2026-11-30 09:00"),
            ("0 9 * * 7", "2026-11-23T09:00:00", "Sun 2026-11-29 09:00"),
            ("0 9 * * 0,6", "2026-11-23T09:00:00", "Sat 2026-11-28 09:00"),
            // Either day will do when both are said, and both have to when one is open.
            ("0 0 13 * FRI", "2026-11-23T00:00:00", "Fri 2026-11-27 00:00"),
            ("0 0 */2 * FRI", "2026-11-23T00:00:00", "Fri 2026-11-27 00:00"),
            ("0 0 29 2 *", "2026-11-23T00:00:00", "Tue 2028-02-29 00:00"),
            ("0 0 31 4,5 *", "2026-11-23T00:00:00", "Mon 2027-05-31 00:00"),
            ("@hourly", "2026-11-23T09:00:01", "Mon 2026-11-23 10:00"),
            ("@daily", "2026-12-31T09:00:01", "Fri 2027-01-01 00:00"),
            ("@weekly", "2026-11-23T09:00:01", "Sun 2026-11-29 00:00"),
            ("@monthly", "2026-11-23T09:00:01", "Tue 2026-12-01 00:00"),
            ("@yearly", "2026-11-23T09:00:01", "Fri 2027-01-01 00:00"),
        ] {
            assert_eq!(next(cron, now, "UTC"), format!("{expected} +0000"), "{cron} after {now}");
        }
    }

    #[test]
    fn when_the_clocks_change_nothing_is_lost_and_nothing_comes_twice() {
        let berlin = "Europe/Berlin";
        // 02:00 becomes 03:00 on 29 March 2026.
        assert_eq!(next("30 2 * * *", "2026-03-28T03:00:00", berlin), "Sun 2026-03-29 03:30 +0200");
        assert_eq!(next("30 2 * * *", "2026-03-29T03:30:00", berlin), "Mon 2026-03-30 02:30 +0200");
        // 03:00 becomes 02:00 on 25 October 2026: 02:30 comes at +0200, and again at +0100.
        assert_eq!(next("30 2 * * *", "2026-10-25T01:00:00", berlin), "Sun 2026-10-25 02:30 +0200");
        let zone = TimeZone::get(berlin).unwrap();
        let second: Timestamp = "2026-10-25T02:10:00+01:00".parse().unwrap();
        let after = Cron::parse("30 2 * * *").unwrap().after(second, &zone).unwrap();
        assert_eq!(after.to_zoned(zone).strftime("%F %H:%M %z").to_string(), "2026-10-26 02:30 +0100");
    }

    #[test]
    fn what_is_no_expression_is_told_with_its_field() {
        for (bad, words) in [
            ("", "has 0 fields"),
            ("* * * *", "has 4 fields; cron has five"),
            ("60 * * * *", "the minute '60' is no number from 0 to 59"),
            ("* 24 * * *", "the hour '24'"),
            ("* * 0 * *", "the day of the month '0' is no number from 1 to 31"),
            ("* * * 13 *", "the month '13'"),
            ("* * * * 8", "the day of the week '8'"),
            ("* * * * MOON", "the day of the week 'MOON'"),
            ("*/0 * * * *", "the step '0' of the minute"),
            ("20-10 * * * *", "goes backwards"),
            ("+5 * * * *", "the minute '+5'"),
            ("1,,2 * * * *", "the minute ''"),
            ("0 0 31 2 *", "never comes"),
            ("@reboot", "has 1 fields"),
        ] {
            let said = Cron::parse(bad).unwrap_err();
            assert!(said.contains(words), "{bad}: {said}");
        }
    }
}
