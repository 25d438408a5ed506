//! Which random scenarios are fair: no decision of ours says that they come out differently than in OTP, and OTP does
//! not leave their outcome open. Where a decision is cited, the table shows what comes of it.
//!
//! | left out | because |
//! |---|---|
//! | anything but its release while a start hangs, or but its end while a child does not stop | D7: OTP waits there, we go on |
//! | two things at once in a tree in which a start may hang or a child may not stop | D7: OTP comes to the second later |
//! | an end and a call at once under `one_for_all` | D3: our group is stopped at once, OTP's when it tries again |
//! | names of nobody in calls to a dynamic supervisor | D23: names of its children are ours, OTP has none |
//! | a call by name at once with an end below a dynamic supervisor | D23, as above: the child may be gone |
//! | `normal` from a permanent child that was asked to stop | D22: that is no error of ours |
//! | the end of a brutal child at once with another's | D22: we know whether it was killed by us, OTP does not |
//! | a failed start and a limit that is reached while something waits | D4: a failure is judged when it happens, in OTP with its retry |
//! | a failed start whose retry a group restart or a call makes void | D4: the failed start is charged, in OTP its retry is |
//! | a call to a supervisor that ends or is restarted before its turn comes | a call of ours is addressed to a path, OTP's to a process |
//! | a supervisor with a finite time above another one | D6: nothing of it lives on when it is gone; in OTP what lies below stops in its own time |
//! | dynamic children that decline on their restart | OTP 25 keeps a slot without a process and fails when it ends; R38 says that the child is dropped |
//! | letting time pass in a short window when that is not its end | D2: OTP counts whole seconds |
//! | anything but time that passes when somebody is about to be killed | a slow machine may kill first |

use crate::model::{
    Action, Call, Child, Reason, Scenario, Shutdown, Start, Step, Stop, Strategy, Trace, Tree, split,
};
use crate::ours::Ours;
use supervisor_api::policy::RestartType;

/// Milliseconds that pass when a child with a short grace is waited for.
pub const PASS_GRACE: u32 = 700;

/// A short grace, in milliseconds.
pub const SHORT_GRACE: u32 = 100;

/// Time stands still in our machine but when it passes, in OTP it does not: a deadline that is as near as this, in
/// milliseconds, may come there sooner. It is more than what a slow machine may lose.
const EDGE: u64 = 400;

/// Milliseconds after which a window of one second is over, also for OTP.
pub const PASS_WINDOW: u32 = 2_500;

/// Plays a scenario in our machine, and says what was seen if every step was fair.
///
/// # Errors
/// A sentence that says which step is not, or speaks of what is not there.
pub fn play(scenario: &Scenario) -> Result<Trace, String> {
    check_templates(&scenario.tree)?;
    let mut ours = Ours::new(&scenario.tree);
    let mut traits = Traits::of(&scenario.tree);
    let mut trace = Vec::new();
    for step in &scenario.steps {
        traits.learn(step);
        traits.check(&ours, step)?;
        trace.push(traits.take(&mut ours, step)?);
    }
    Ok(trace)
}

fn check_templates(tree: &Tree) -> Result<(), String> {
    let dynamic = tree.strategy == Strategy::Dynamic;
    if dynamic && tree.children.len() != 1 {
        return Err("a dynamic supervisor has one template".to_owned());
    }
    let nested = |child: &Child| child.below.as_ref().is_some_and(has_nested);
    if tree
        .children
        .iter()
        .any(|child| nested(child) && !matches!(child.shutdown, None | Some(Shutdown::Infinity)))
    {
        return Err("a supervisor with a finite time stands above another one".to_owned());
    }
    tree.children.iter().filter_map(|child| child.below.as_ref()).try_for_each(check_templates)
}

/// Whether a window is a second long.
pub(crate) fn has_short_window(tree: &Tree) -> bool {
    tree.budget.is_some_and(|(_, seconds)| seconds == 1)
        || tree.children.iter().filter_map(|child| child.below.as_ref()).any(has_short_window)
}

fn has_nested(tree: &Tree) -> bool {
    tree.children.iter().any(|child| child.below.is_some())
}

/// What a scenario may do at all.
#[derive(Clone)]
pub(crate) struct Traits {
    children: Vec<(String, Child)>,
    /// A start may hang, or a child may not stop when it is asked to.
    blocks: bool,
    /// A window is so short that time that passes matters to it.
    short_window: bool,
}

impl Traits {
    pub(crate) fn of(tree: &Tree) -> Self {
        let mut traits = Self { children: Vec::new(), blocks: false, short_window: has_short_window(tree) };
        collect("", tree, &mut traits.children);
        traits.look();
        traits
    }

    /// Children that are added have traits too.
    pub(crate) fn learn(&mut self, step: &Step) {
        for action in &step.actions {
            if let Action::Call(sup, Call::StartChild(child)) = action {
                collect_child(sup, child, &mut self.children);
            }
        }
        self.look();
    }

    fn look(&mut self) {
        let blocks = |child: &Child| child.starts.contains(&Start::Hang) || child.stops == Stop::Ignore;
        self.blocks = self.children.iter().any(|(_, child)| blocks(child));
    }

    /// Takes a step in our machine; whether it was fair is seen only then.
    pub(crate) fn take(&self, ours: &mut Ours, step: &Step) -> Result<Vec<String>, String> {
        let sup = step.actions.first().map_or("", supervisor_of);
        let before = (ours.incarnation(sup), ours.failed_starts());
        let lines = ours.step(step)?;
        let passes = step.actions.iter().any(|action| matches!(action, Action::Pass(_)));
        let near = |time: Option<u64>| time.is_some_and(|time| time < EDGE);
        if passes && (near(ours.time_left()) || near(ours.time_since())) {
            return Err("a deadline is at the edge of the time that passes".to_owned());
        }
        if step.actions.len() == 1 {
            return Ok(lines);
        }
        let calls = step.actions.iter().any(|action| !matches!(action, Action::End(..)));
        if calls && ours.incarnation(sup) != before.0 {
            return Err("a call came to a supervisor that ended".to_owned());
        }
        let alone = matches!(ours.strategy(sup), Some(Strategy::OneForOne | Strategy::Dynamic));
        let terminates = |action: &Action| {
            matches!(action, Action::Call(_, Call::Terminate(_) | Call::TerminateHandle(_)))
        };
        if ours.failed_starts() > before.1 && (!alone || step.actions.iter().any(terminates)) {
            return Err("the retry of a failed start may be void".to_owned());
        }
        let judged = lines.iter().any(|line| line.starts_with("limit "));
        if ours.failed_starts() > before.1 && judged {
            return Err(
                "a failed start was charged while something waited, and the limit was reached".to_owned()
            );
        }
        Ok(lines)
    }

    /// Whether a step is fair, as far as can be seen before it is taken.
    pub(crate) fn check(&self, ours: &Ours, step: &Step) -> Result<(), String> {
        for action in &step.actions {
            if let Action::Call(sup, Call::StartChild(child)) = action
                && ours.strategy(sup) == Some(Strategy::Dynamic)
                && child.starts[1..].iter().any(|start| matches!(start, Start::Ignore | Start::Hang))
            {
                return Err("a dynamic child declines on its restart".to_owned());
            }
        }
        let other_pass = |action: &Action| matches!(action, Action::Pass(millis) if *millis != PASS_WINDOW);
        if self.short_window && step.actions.iter().any(other_pass) {
            return Err("time passes in a short window".to_owned());
        }
        let polite = |(_, child): &(String, Child)| {
            child.stops == Stop::Normal && matches!(child.restart, None | Some(RestartType::Permanent))
        };
        if self.children.iter().any(polite) {
            return Err("a permanent child stops with `normal`".to_owned());
        }
        let (held, hanging) = (ours.held(), ours.hanging());
        if !held.is_empty() || !hanging.is_empty() {
            return self.check_release(ours, step, &held, &hanging);
        }
        if step.actions.len() > 1 {
            self.check_batch(ours, step)?;
        }
        Ok(())
    }

    fn check_release(
        &self,
        ours: &Ours,
        step: &Step,
        held: &[String],
        hanging: &[String],
    ) -> Result<(), String> {
        let fair = match step.actions.as_slice() {
            [Action::Release(path, _)] => hanging.contains(path),
            // Who has little time is killed; nothing else may happen meanwhile.
            [Action::Pass(_)] => true,
            [Action::End(path, reason)] => {
                held.contains(path)
                    && has_time(ours)
                    && !(*reason == Reason::Normal && self.is_permanent(path))
            }
            _ => false,
        };
        if fair { Ok(()) } else { Err("something happens while a child does not start or stop".to_owned()) }
    }

    fn check_batch(&self, ours: &Ours, step: &Step) -> Result<(), String> {
        if self.blocks {
            return Err("two things happen at once where a supervisor may have to wait".to_owned());
        }
        let sups: Vec<&str> = step.actions.iter().map(supervisor_of).collect();
        if sups.iter().any(|sup| *sup != sups[0]) {
            return Err("two supervisors act at once".to_owned());
        }
        let calls = step.actions.iter().any(|action| !matches!(action, Action::End(..)));
        if calls && ours.strategy(sups[0]) == Some(Strategy::OneForAll) {
            return Err("a call may come between a group's failed start and its retry".to_owned());
        }
        let by_name = |action: &Action| {
            matches!(action, Action::Call(_, Call::Terminate(_) | Call::Restart(_) | Call::Delete(_)))
        };
        if step.actions.iter().any(by_name) && ours.strategy(sups[0]) == Some(Strategy::Dynamic) {
            return Err("a call names a dynamic child that may be gone".to_owned());
        }
        let brutal = |action: &Action| matches!(action, Action::End(path, _) if self.is_brutal(path));
        if step.actions.iter().any(brutal) {
            return Err("a brutal child ends beside another".to_owned());
        }
        Ok(())
    }

    fn is_brutal(&self, path: &str) -> bool {
        let brutal = |child: &Child| child.shutdown == Some(Shutdown::Brutal);
        self.children.iter().any(|(at, child)| (at == path || is_template_of(at, path)) && brutal(child))
    }

    fn is_permanent(&self, path: &str) -> bool {
        let permanent = |child: &Child| child.restart.is_none_or(|restart| restart == RestartType::Permanent);
        self.children.iter().any(|(at, child)| (at == path || is_template_of(at, path)) && permanent(child))
    }
}

/// Whether nobody is about to be killed.
pub(crate) fn has_time(ours: &Ours) -> bool {
    ours.time_left().is_none_or(|left| left >= EDGE)
}

/// Whether a path is that of a dynamic supervisor's template, and the other that of a child made from it.
fn is_template_of(at: &str, path: &str) -> bool {
    let (sup, name) = split(at);
    name == "each" && split(path).0 == sup
}

fn supervisor_of(action: &Action) -> &str {
    match action {
        Action::End(path, _) => split(path).0,
        Action::Call(sup, _) | Action::Stray(sup) | Action::Reload(sup, _) => sup,
        _ => "",
    }
}

fn collect(path: &str, tree: &Tree, into: &mut Vec<(String, Child)>) {
    for child in &tree.children {
        collect_child(path, child, into);
    }
}

fn collect_child(sup: &str, child: &Child, into: &mut Vec<(String, Child)>) {
    let path = crate::model::join(sup, &child.name);
    if let Some(below) = &child.below {
        collect(&path, below, into);
    }
    into.push((path, child.clone()));
}
