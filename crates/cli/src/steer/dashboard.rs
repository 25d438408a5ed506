//! `supervisor dashboard [STACK]`: the files of the stacks, without a connection to a target.

use serde_json::json;
use supervisor_stack::{LoginLink, Surroundings, login_links};

use super::fault::Fault;
use super::screen::Screen;
use crate::args::DashboardArgs;
use crate::exit::Exit;
use crate::print;

/// Prints a link by which the user signs in.
pub(crate) fn dashboard(args: &DashboardArgs) -> Exit {
    let screen = Screen::plain(args.output);
    match find(args.stack.as_deref()) {
        Ok(found) if screen.is_json() => {
            screen.json(&json!({"type": "dashboard", "stack": found.stack, "login_link": found.link}));
            Exit::Good
        }
        Ok(found) => {
            print::out(&format!("{}\n", found.link));
            Exit::Good
        }
        Err(fault) => fault.tell(&screen),
    }
}

fn find(stack: Option<&str>) -> Result<LoginLink, Fault> {
    let all = login_links(&Surroundings::of_this_process())
        .map_err(|error| Fault::failed(format!("the states of the stacks cannot be read: {error}")))?;
    choose(all, stack)
}

fn choose(mut all: Vec<LoginLink>, stack: Option<&str>) -> Result<LoginLink, Fault> {
    let names = all.iter().map(|one| one.stack.as_str()).collect::<Vec<_>>().join(", ");
    if let Some(name) = stack {
        let at = all.iter().position(|one| one.stack.as_str() == name);
        return at.map(|at| all.swap_remove(at)).ok_or_else(|| {
            let others = if names.is_empty() { "none does".to_owned() } else { format!("these do: {names}") };
            Fault::no_target(format!("no stack `{name}` of this user runs with a dashboard; {others}"))
        });
    }
    match (all.pop(), all.is_empty()) {
        (Some(only), true) => Ok(only),
        (Some(_), false) => {
            Err(Fault::usage(format!("several stacks run with a dashboard; say which one: {names}")))
        }
        (None, _) => Err(Fault::no_target(
            "no stack of this user runs with a dashboard; start one with `supervisor run FILE`",
        )),
    }
}
