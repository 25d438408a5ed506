use supervisor_api::SupervisorError;

use super::Machine;
use crate::face::Ticket;
use crate::spec::SupervisorDecl;

impl Machine {
    pub(super) fn apply(&mut self, _ticket: Ticket, _decl: &SupervisorDecl) -> Result<(), SupervisorError> {
        Err(SupervisorError::InvalidTransition { message: String::new() })
    }
}
