//! The wall clock: for what is shown, and for leases that outlive a relay. Nothing else is decided by it.

use supervisor_api::wire::UnixNanos;

/// Now; a clock before 1970 reads 0.
pub(crate) fn now() -> UnixNanos {
    UnixNanos(u64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(0))
}
