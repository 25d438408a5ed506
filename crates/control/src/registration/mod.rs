//! The target makes itself known to a relay.
