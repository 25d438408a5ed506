//! A command or a question, to the target and back, over a connection of its own: what happens is not held up by it.

use std::sync::Arc;

use supervisor_api::wire::{
    ControlCommandRequest, ControlCommandResult, ErrorCode, Method, ServerMessage, Stage, WhyFound, WhyQuery,
    WireError,
};
use supervisor_client::{CallError, Session, Settings, Way};

use super::Found;

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
    let mut session = match connect(way, uid, settings, &asked.target_id).await {
        Ok(session) => session,
        Err(why) => {
            let message = format!("the command was not sent: {why}");
            let error = WireError::new(ErrorCode::TargetUnavailable, message).at(Stage::CommandDispatch);
            return Went::Never(error);
        }
    };
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

/// Asks a target why a child is as it is.
pub(crate) async fn why(way: Way, uid: u32, settings: &Settings, query: WhyQuery) -> Found {
    let WhyQuery { query_id, target_id, child_path } = query;
    let unavailable = |why: String| {
        let message = format!("the target could not be asked: {why}");
        let error = WireError::new(ErrorCode::TargetUnavailable, message).at(Stage::CommandDispatch);
        error.on(Arc::clone(&target_id))
    };
    let mut session = connect(way, uid, settings, &target_id).await.map_err(unavailable)?;
    if !session.hello().has(Method::Why) {
        let message = "this target does not say why its children are as they are";
        return Err(WireError::new(ErrorCode::UnsupportedMethod, message).on(Arc::clone(&target_id)));
    }
    match session.why(child_path).await {
        Ok(why) => Ok(ServerMessage::WhyAnswer(Box::new(WhyFound { query_id, target_id, why }))),
        Err(CallError::Refused(error)) => Err(error.on(target_id)),
        Err(error) => Err(unavailable(error.to_string())),
    }
}

/// A connection to the target that is meant, and to nobody else.
async fn connect(way: Way, uid: u32, settings: &Settings, target_id: &str) -> Result<Session, String> {
    let session = Session::connect(way, settings).await.map_err(|error| error.to_string())?;
    let listens = session.peer().uid;
    if listens != uid {
        return Err(format!("a process of uid {listens} listens there and not one of uid {uid}"));
    }
    let speaks = &session.hello().registration.target_id;
    if **speaks != *target_id {
        return Err(format!("the target '{speaks}' listens there and not '{target_id}'"));
    }
    Ok(session)
}
