//! A command, to the target and back, over a connection of its own: what happens is not held up by it.

use supervisor_api::wire::{ControlCommandRequest, ControlCommandResult, ErrorCode, Stage, WireError};
use supervisor_client::{CallError, Session, Settings, Way};

/// How it went.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Went {
    /// As the target says.
    Done(Box<ControlCommandResult>),
    /// It never began.
    Never(WireError),
    /// It may have begun.
    Unknown(WireError),
}

/// Asks the target that is reached so, on which a process of `uid` has to listen.
pub(crate) async fn dispatch(way: Way, uid: u32, settings: &Settings, asked: ControlCommandRequest) -> Went {
    let unavailable = |why: String| {
        let message = format!("the command was not sent: {why}");
        Went::Never(WireError::new(ErrorCode::TargetUnavailable, message).at(Stage::CommandDispatch))
    };
    let mut session = match Session::connect(way, settings).await {
        Ok(session) => session,
        Err(error) => return unavailable(error.to_string()),
    };
    let listens = session.peer().uid;
    if listens != uid {
        return unavailable(format!("a process of uid {listens} listens there and not one of uid {uid}"));
    }
    let speaks = &session.hello().registration.target_id;
    if **speaks != *asked.target_id {
        return unavailable(format!("the target '{speaks}' listens there and not '{}'", asked.target_id));
    }
    match session.command(asked.clone()).await {
        Ok(result) => Went::Done(Box::new(ControlCommandResult {
            command_id: asked.command_id,
            target_id: asked.target_id,
            ..result
        })),
        // The target says of the rest that it never began.
        Err(CallError::Refused(error)) if error.stage.is(Stage::CommandDispatch) => Went::Unknown(error),
        Err(CallError::Refused(error)) => Went::Never(error),
        Err(error) => {
            let message =
                format!("whether the command was carried out is not known: {error}; look how the target is");
            Went::Unknown(WireError::new(ErrorCode::CommandTimeout, message))
        }
    }
}
