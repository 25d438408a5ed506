//! The recorded calls, once more, on a bare machine.

use super::record::{Call, Record};

/// Tokio's timers fire at whole milliseconds; a deadline between two is due at the later one.
const TICK: u64 = 1_000_000;

/// Hands the calls to a bare machine of the same spec and seed. The answers must be the same, time must not
/// go back, and no call may come while a deadline or a cut plan has been kept waiting.
pub(super) fn same(record: &Record) -> Result<(), String> {
    let mut machine = supervisor_core::Machine::new(record.spec.clone(), record.seed);
    let mut before = 0;
    for (number, Call { now, what, left_over, effects }) in record.calls.iter().enumerate() {
        let at = |why: String| Err(format!("call {number}, {what:?} at {now}: {why}"));
        if *now < before {
            return at(format!("time goes back from {before}"));
        }
        if *left_over > 0 {
            return at(format!("{left_over} effects of earlier calls were not carried out"));
        }
        if machine.has_open_plan() && *now > before {
            return at(format!("a cut plan has waited since {before}"));
        }
        if let Some(due) = machine.next_deadline().filter(|due| *now > due.saturating_add(TICK)) {
            return at(format!("the deadline {due} was missed"));
        }
        before = *now;
        let mut again = Vec::new();
        what.clone().call(&mut machine, *now, &mut again);
        let (then, now) = (format!("{effects:#?}"), format!("{again:#?}"));
        if then != now {
            return at(format!("the driver's machine decided\n{then}\nand the bare one\n{now}"));
        }
    }
    match (machine.has_open_plan(), machine.next_deadline()) {
        (true, _) => Err("a cut plan was never gone on with".to_owned()),
        (false, Some(due)) if record.calls.iter().all(|call| call.now < due) && !record.ends() => {
            Err(format!("the deadline {due} is still open"))
        }
        _ => Ok(()),
    }
}

impl Record {
    /// Whether the machine has said that the tree has ended.
    pub(super) fn ends(&self) -> bool {
        self.effects().any(|(_, effect)| matches!(effect, supervisor_core::Effect::Done(_)))
    }

    /// Everything that was decided, with its time.
    pub(super) fn effects(&self) -> impl Iterator<Item = (u64, &supervisor_core::Effect)> {
        self.calls.iter().flat_map(|call| call.effects.iter().map(|effect| (call.now, effect)))
    }

    /// Everything that was handed over, with its time.
    pub(super) fn inputs(&self) -> impl Iterator<Item = (u64, &supervisor_core::Input)> {
        self.calls.iter().filter_map(|call| match &call.what {
            super::record::What::Handle(input) => Some((call.now, input)),
            _ => None,
        })
    }
}
