//! How a target is reached.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use supervisor_socket::{ConnectError, Connection, Deadlines, FrameLimits, connect};
use tokio::net::UnixStream;

type Connect = dyn Fn() -> io::Result<UnixStream> + Send + Sync;

/// How a target is reached: by its socket, or, in its own process, by something that makes connections to it.
#[derive(Clone)]
pub struct Way {
    path: PathBuf,
    within: Option<Arc<Connect>>,
}

impl Way {
    /// Every call of `connect` gives a new connection. `name` stands in messages where the path of a socket would.
    pub fn within(
        name: impl Into<PathBuf>,
        connect: impl Fn() -> io::Result<UnixStream> + Send + Sync + 'static,
    ) -> Self {
        Self { path: name.into(), within: Some(Arc::new(connect)) }
    }

    /// The socket, or the name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) async fn connect(
        &self,
        limits: FrameLimits,
        deadlines: Deadlines,
    ) -> Result<Connection, ConnectError> {
        let Some(within) = &self.within else { return connect(&self.path, limits, deadlines).await };
        let connection = within().and_then(|stream| Connection::over(stream, limits, deadlines));
        connection.map_err(|error| ConnectError { path: self.path.clone(), error })
    }
}

/// The socket at this path.
impl<P: Into<PathBuf>> From<P> for Way {
    fn from(path: P) -> Self {
        Self { path: path.into(), within: None }
    }
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.within.is_some() { "Within" } else { "Socket" };
        f.debug_tuple(word).field(&self.path).finish()
    }
}
