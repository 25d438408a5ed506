//! From the duplicate to the outcome: the second half of a command's way (security rule 12).

use std::sync::Arc;
use std::time::Duration;

use supervisor_api::manifest::ChildManifest;
use supervisor_api::wire::{ControlCommandRequest, ControlCommandResult, WireError};
use tokio::time::timeout;

use super::claim::Slot;
use super::{BodyDigest, Claim, Ids, Limits};
use crate::audit::{Audit, AuditConfig, AuditDenial, Intent};
use crate::caller::Caller;

/// How long commands that run may take to end when the control plane does.
const LAST_COMMANDS: Duration = Duration::from_secs(5);

/// Carries commands out, each at most once, and records them. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Once {
    ids: Ids,
    audit: Audit,
    target_id: Arc<str>,
}

impl Once {
    /// Opens the audit and remembers what it does. A broken audit refuses commands until it is well.
    pub(crate) async fn open(config: &AuditConfig, target_id: Arc<str>) -> Self {
        let ids = Ids::new(Limits::DEFAULT);
        let audit = Audit::open(config, Arc::clone(&target_id), ids.clone()).await;
        Self::with(ids, audit, target_id)
    }

    /// Of an audit that is open.
    pub(crate) fn with(ids: Ids, audit: Audit, target_id: Arc<str>) -> Self {
        Self { ids, audit, target_id }
    }

    /// Where denials are recorded, and how recording is.
    pub(crate) fn audit(&self) -> &Audit {
        &self.audit
    }

    /// Carries out a command that its caller may give: looks for a duplicate, records the intent, does it, records
    /// the outcome. `act` gives the final result; it runs in a task of its own. `manifest` is the child that will be
    /// added, as it was read.
    ///
    /// Whoever drops this stops waiting and nothing else. Sent again, the command is waited for once more.
    ///
    /// # Errors
    ///
    /// Why it was not carried out: `command_id_conflict`, `replay_detected`, `rate_limit_exceeded`,
    /// `audit_write_failed`. It is recorded already, as far as that is possible.
    pub(crate) async fn run(
        &self,
        caller: &Caller,
        asked: &ControlCommandRequest,
        manifest: Option<&ChildManifest>,
        act: impl Future<Output = ControlCommandResult> + Send + 'static,
    ) -> Result<ControlCommandResult, WireError> {
        let uid = caller.peer.uid;
        let digest = BodyDigest::of(uid, &asked.command_id, &asked.body());
        let outcome = match self.ids.claim(uid, &asked.command_id, digest) {
            Claim::New(slot, outcome) => {
                let intent = Intent::new(&self.target_id, caller, asked, manifest, digest);
                tokio::spawn(carry_out(self.audit.clone(), slot, intent, act));
                outcome
            }
            Claim::Same(outcome) => outcome,
            Claim::Refused(error) => {
                let error = error.on(Arc::clone(&self.target_id));
                self.audit.deny(AuditDenial::command(caller, asked, &error));
                return Err(error);
            }
        };
        outcome.wait().await.map(Arc::unwrap_or_clone).map_err(|error| error.on(Arc::clone(&self.target_id)))
    }

    /// Waits a while for the commands that run, then closes the audit. Nothing is carried out afterwards where there
    /// is one.
    pub(crate) async fn close(&self) {
        if timeout(LAST_COMMANDS, self.ids.idle()).await.is_err() {
            tracing::warn!("commands still run; the audit will say that their outcome is not known");
        }
        self.audit.close().await;
    }
}

async fn carry_out(
    audit: Audit,
    mut slot: Slot,
    intent: Intent,
    act: impl Future<Output = ControlCommandResult> + Send + 'static,
) {
    let intended = match audit.intend(&intent).await {
        Ok(intended) => intended,
        Err(error) => {
            audit.deny(intent.denial(&error));
            slot.refuse(error);
            return;
        }
    };
    slot.begin();
    // In a task of its own, so that a panic is told: the slot says then that the outcome is lost.
    let Ok(result) = tokio::spawn(act).await else {
        audit.unknown(&intent, intended).await;
        return;
    };
    let kept = intent.kept(&result);
    audit.outcome(&intent, intended, &kept).await;
    slot.settle(result, kept);
}
