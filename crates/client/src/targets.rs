//! Which targets run here.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use supervisor_socket::{Deadlines, FrameLimits, Surroundings, connect, sockets};
use tokio::time::timeout;

/// A target whose queue is full for so long is there all the same.
const PATIENCE: Duration = Duration::from_secs(1);

/// The sockets in the default places on which somebody listens, in the order of the places, then by name.
///
/// Each is connected to and left again. One that this user may not open is among them.
///
/// # Panics
///
/// Outside of a tokio runtime with I/O and time.
pub async fn targets(surroundings: &Surroundings) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in sockets(surroundings) {
        let attempt = timeout(PATIENCE, connect(&path, FrameLimits::replies(0), Deadlines::default())).await;
        let is_dead = matches!(attempt, Ok(Err(error)) if matches!(
            error.error.kind(),
            io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound
        ));
        if !is_dead {
            found.push(path);
        }
    }
    found
}
