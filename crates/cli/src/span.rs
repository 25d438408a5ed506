//! Spans of time as a person reads them.

/// Microseconds as a person reads them.
pub(crate) fn span(micros: u64) -> String {
    let millis = micros / 1_000;
    let seconds = millis / 1_000;
    match seconds {
        0 => format!("{millis} ms"),
        1..60 => format!("{seconds}.{} s", millis % 1_000 / 100),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_at_a_glance() {
        for (micros, text) in [
            (0, "0 ms"),
            (999_999, "999 ms"),
            (1_250_000, "1.2 s"),
            (61_000_000, "1 min 1 s"),
            (3_600_000_000, "1 h 0 min"),
            (90_000_000_000, "1 d 1 h"),
        ] {
            assert_eq!(span(micros), text);
        }
    }
}
