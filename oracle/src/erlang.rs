//! A scenario as an Erlang term, for `otp/oracle.erl`.

use supervisor_api::policy::AutoShutdown;

use crate::model::{Action, Call, Child, Reason, Scenario, Shutdown, Stop, Strategy, Tree};

/// The scenario as one line.
pub(crate) fn term(number: usize, scenario: &Scenario) -> String {
    let act = |one: &Action| action(one, scenario);
    let steps = list(scenario.steps.iter().map(|step| list(step.actions.iter().map(act))));
    format!("{{{number},{},{steps}}}.\n", tree(&scenario.tree))
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(","))
}

fn name(text: &str) -> String {
    format!("<<\"{text}\">>")
}

fn tree(tree: &Tree) -> String {
    let strategy = match tree.strategy {
        Strategy::Dynamic => "simple_one_for_one",
        other => other.word(),
    };
    let budget = match tree.budget {
        Some((max, seconds)) => format!("{max},{seconds}"),
        None => "default,default".to_owned(),
    };
    let auto = tree.auto.map_or("default", AutoShutdown::as_str);
    format!("{{{strategy},{budget},{auto},{}}}", list(tree.children.iter().map(child)))
}

fn child(child: &Child) -> String {
    // The template of a dynamic supervisor.
    let id = if child.name == "each" { "each".to_owned() } else { name(&child.name) };
    let restart = child.restart.map_or("default", |restart| restart.as_str());
    let shutdown = match child.shutdown {
        None => "default".to_owned(),
        Some(Shutdown::Brutal) => "brutal_kill".to_owned(),
        Some(Shutdown::Infinity) => "infinity".to_owned(),
        Some(Shutdown::After(millis)) => millis.to_string(),
    };
    let significant = if child.significant { "true" } else { "default" };
    let below = child.below.as_ref().map_or("none".to_owned(), tree);
    format!("{{{id},{restart},{shutdown},{significant},{},{},{below}}}", starts(child), stops(child.stops))
}

fn starts(child: &Child) -> String {
    list(child.starts.iter().map(|start| start.word().to_owned()))
}

fn stops(stops: Stop) -> &'static str {
    match stops {
        Stop::ShutdownWith => "{shutdown,x}",
        other => other.word(),
    }
}

fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::ShutdownWith => "{shutdown,x}",
        other => other.word(),
    }
}

fn action(action: &Action, scenario: &Scenario) -> String {
    match action {
        Action::Launch => "{launch}".to_owned(),
        Action::WholeSecond => "{whole_second}".to_owned(),
        Action::Shutdown => "{shutdown}".to_owned(),
        Action::Pass(millis) => format!("{{pass,{millis}}}"),
        Action::Kill(path) => format!("{{kill,{}}}", name(path)),
        Action::Stray(path) => format!("{{stray,{}}}", name(path)),
        Action::End(path, with) => format!("{{'end',{},{}}}", name(path), reason(*with)),
        Action::Release(path, what) => format!("{{release,{},{}}}", name(path), what.word()),
        Action::Reload(path, new) => format!("{{reload,{},{}}}", name(path), tree(new)),
        Action::Call(sup, call) => call_of(sup, call, scenario),
    }
}

fn call_of(path: &str, call: &Call, scenario: &Scenario) -> String {
    let sup = name(path);
    let named = |verb: &str, of: &str| format!("{{{verb},{sup},{}}}", name(of));
    match call {
        Call::StartChild(new) if scenario.is_dynamic(path) => {
            format!("{{start_child,{sup},{{{},{},{}}}}}", name(&new.name), starts(new), stops(new.stops))
        }
        Call::StartChild(new) => format!("{{start_child,{sup},{}}}", child(new)),
        Call::Terminate(of) => named("terminate_child", of),
        Call::TerminateHandle(of) => named("terminate_handle", of),
        Call::Restart(of) => named("restart_child", of),
        Call::Delete(of) => named("delete_child", of),
        Call::Spec(of) => named("get_childspec", of),
        Call::Which => format!("{{which_children,{sup}}}"),
        Call::Count => format!("{{count_children,{sup}}}"),
        Call::Lives => format!("{{lives,{sup}}}"),
        Call::Stop => format!("{{stop,{sup}}}"),
    }
}
