//! The registration socket: one connection, one line, one answer.
//!
//! Whatever comes, its connection alone is concerned: each has a task of its own and a deadline.

use std::sync::Arc;

use supervisor_api::wire::{ErrorCode, Registration, RegistrationAck, RegistrationRefusal};
use supervisor_socket::{Connection, Peer, Refusal, Service, Standing};

use super::{Admitted, PATIENCE, Registry};

pub(crate) struct Desk {
    registry: Arc<Registry>,
    admitted: Admitted,
}

impl Desk {
    pub(crate) fn new(registry: Arc<Registry>, admitted: Admitted) -> Self {
        Self { registry, admitted }
    }

    async fn answer(&self, line: &str, uid: u32) -> Result<String, RegistrationRefusal> {
        let asked = Registration::read(line.as_bytes())?;
        let socket = self.registry.look(&asked.ipc_path, uid).await?;
        self.registry.register(&asked, &socket, uid)?;
        Ok(asked.target_id)
    }
}

impl Service for Desk {
    fn standing(&self, peer: &Peer) -> Standing {
        match self.admitted.has(peer.uid) {
            true => Standing::Ordinary,
            false => Standing::Stranger,
        }
    }

    fn refused(&self, _: Option<&Peer>, refusal: Refusal) -> Option<Vec<u8>> {
        let code = match refusal {
            Refusal::NoCredentials => ErrorCode::PeerCredUnavailable,
            Refusal::Stranger => ErrorCode::PeerCredUidMismatch,
            _ => ErrorCode::RateLimitExceeded,
        };
        Some(written(RegistrationAck::refused(RegistrationRefusal::new(code, &refusal.to_string()))))
    }

    async fn session(self: Arc<Self>, _: u64, mut connection: Connection) {
        connection.reader.set_idle(Some(PATIENCE));
        let ack = match connection.reader.next().await {
            Ok(Some(line)) => self.answer(&line, connection.peer.uid).await,
            Err(error) if error.is_answered() => {
                let code = ErrorCode::ALL.iter().find(|code| code.as_str() == error.code());
                let code = code.copied().unwrap_or(ErrorCode::InvalidJson);
                Err(RegistrationRefusal::new(code, &error.to_string()))
            }
            // It has said nothing, so it is owed nothing.
            Ok(None) | Err(_) => return,
        };
        self.registry.counts().registration(ack.is_ok());
        let ack = match ack {
            Ok(target_id) => RegistrationAck::registered(target_id),
            Err(refusal) => {
                tracing::info!("a registration of {} is refused: {refusal}", connection.peer);
                RegistrationAck::refused(refusal)
            }
        };
        // Who has gone before the answer asks again.
        let _ = connection.writer.send(&written(ack)).await;
    }
}

fn written(ack: RegistrationAck) -> Vec<u8> {
    // Only a map with keys that are no texts, or a writer, could fail; there is neither.
    serde_json::to_vec(&ack).unwrap_or_default()
}
