//! What happened, as lines that a test can compare.

use std::time::Duration;

use supervisor_api::{Exit, SupervisorPath};
use supervisor_core::{Address, Command, End};

/// `/a/b` as `a/b`; the root stays `/`.
pub(crate) fn name(path: &SupervisorPath) -> &str {
    if path.is_root() { "/" } else { path.as_str().trim_start_matches('/') }
}

/// `down a`, and how unless it ended as it was asked to.
pub(crate) fn down(path: &SupervisorPath, exit: &Exit) -> String {
    match exit {
        Exit::Stopped => format!("down {}", name(path)),
        other => format!("down {}: {other}", name(path)),
    }
}

pub(crate) fn done(end: &End) -> String {
    match end {
        End::Shutdown { .. } => "done shutdown".to_owned(),
        End::AllDone { failed: None } => "done all done".to_owned(),
        End::AllDone { failed: Some(path) } => format!("done all done but {}", name(path)),
        End::AutoShutdown { child } => format!("done auto shutdown by {}", name(child)),
        End::StartFailed { path, exit } => format!("done start failed {}: {exit}", name(path)),
        End::GaveUp { .. } => "done gave up".to_owned(),
        End::Dropped => "done dropped".to_owned(),
    }
}

/// A command, for whoever reads the story of a failure.
pub(crate) fn asked(now: &Duration, command: &Command) -> String {
    let address = |address: &Address| match address {
        Address::Key(key) => format!("{key:?}"),
        Address::Text(text) => text.to_string(),
    };
    let what = match command {
        Command::Control(verb, whom) => format!("{verb} {}", address(whom)),
        Command::Otp(verb, whom) => format!("{verb} {}", address(whom)),
        Command::Add { under, child } => format!("add {} under {}", child.id, address(under)),
        Command::StartChild { under, child } => format!("start_child {} under {}", child.id, address(under)),
        Command::Apply(tree) => {
            let names: Vec<_> = tree.children.iter().map(|child| child.id.as_str()).collect();
            format!("apply [{}]", names.join(" "))
        }
        Command::Shutdown => "shutdown".to_owned(),
        Command::SkipGraces => "skip graces".to_owned(),
    };
    format!("{now:?}: {what}")
}
