//! Messages of ours as JSON.

use serde::Serialize;

/// Adds a message, or a part of one.
pub(crate) fn put(out: &mut Vec<u8>, message: &(impl Serialize + ?Sized)) {
    // Only a map with keys that are no texts could fail, and there is none.
    let _ = serde_json::to_writer(out, message);
}
