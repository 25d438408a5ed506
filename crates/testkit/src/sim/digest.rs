//! The hash of a trace (invariant 35): of every call of the machine, its time, and every effect, with all that is in
//! them. It is made of their debug texts, which leave nothing out, so it costs far more than the run itself; only who
//! compares two runs asks for it.

use std::fmt::{self, Write as _};

/// A hash that grows with the trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Digest(u64);

impl Default for Digest {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Digest {
    /// What happened at this time of the machine.
    pub(super) fn add(&mut self, now: u64, what: &impl fmt::Debug) {
        self.put(now);
        // Taking in text cannot fail.
        let _ = write!(self, "{what:?}");
    }

    /// The hash of everything so far.
    pub(super) fn value(self) -> u64 {
        self.0
    }

    fn put(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(5) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl fmt::Write for Digest {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put(text.len() as u64);
        for bytes in text.as_bytes().chunks(8) {
            let mut word = [0; 8];
            word[..bytes.len()].copy_from_slice(bytes);
            self.put(u64::from_le_bytes(word));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use supervisor_api::{ChildKey, Exit, SupervisorError};
    use supervisor_core::{Address, Command, Effect, Input, Reply, Requester, resolve};

    use super::Digest;
    use crate::{ms, one_for_one, perm};

    fn of(now: u64, what: &impl std::fmt::Debug) -> u64 {
        let mut digest = Digest::default();
        digest.add(now, what);
        digest.value()
    }

    #[test]
    fn an_input_that_differs_in_anything_gives_another_hash() {
        let key = ChildKey { index: 1, epoch: 0 };
        let failed = |error: &str| Input::Exited { key, generation: 1, exit: Exit::failed(error) };
        let missed = |why: &str| Input::Missed { key, generation: 1, why: why.into() };
        let asked = |by: &str, command| {
            let requester = Requester { by: Some(by.into()), ..Requester::default() };
            Input::Command { ticket: 1, requester, command }
        };
        let apply = |grace| Command::Apply(Box::new(one_for_one([perm("a").grace(ms(grace))]).decl()));
        let add = |name: &str| {
            let child = one_for_one([perm(name)]).decl().children.remove(0);
            Command::Add { under: Address::Text("/".into()), child: Box::new(child) }
        };
        let inputs = [
            failed("one"),
            failed("other"),
            missed("one"),
            missed("other"),
            asked("one", apply(1)),
            asked("other", apply(1)),
            asked("one", apply(2)),
            asked("one", add("a")),
            asked("one", add("b")),
        ];
        let hashes: BTreeSet<_> = inputs.iter().flat_map(|input| [of(1, input), of(2, input)]).collect();
        assert_eq!(hashes.len(), 2 * inputs.len());
    }

    #[test]
    fn an_effect_that_differs_in_anything_gives_another_hash() {
        let key = ChildKey { index: 1, epoch: 0 };
        let path: supervisor_api::SupervisorPath = "/a".parse().expect("it is a path");
        let declared = |grace| {
            let resolved =
                resolve(&one_for_one([perm("a").grace(ms(grace))]).decl()).expect("it has no mistakes");
            let mut out = Vec::new();
            supervisor_core::Machine::new(resolved, 0).launch(0, &mut out);
            let of_child =
                |effect: &Effect| matches!(effect, Effect::Declared { path, .. } if path.as_str() == "/a");
            out.into_iter().find(of_child).expect("the child is declared")
        };
        let refused = |id: &str| Effect::Reply {
            ticket: 1,
            result: Err(SupervisorError::NoSuchSupervisor { path: id.into() }),
        };
        let added = |path: &supervisor_api::SupervisorPath, generation| Effect::Reply {
            ticket: 1,
            result: Ok(Reply::Added {
                key,
                path: path.clone(),
                state: supervisor_api::Lifecycle::Running,
                generation,
            }),
        };
        let effects = [
            declared(1),
            declared(2),
            refused("a"),
            refused("b"),
            added(&path, 1),
            added(&path, 2),
            Effect::Done(supervisor_core::End::Shutdown { reason: Arc::from("one") }),
            Effect::Done(supervisor_core::End::Shutdown { reason: Arc::from("other") }),
        ];
        let hashes: BTreeSet<_> = effects.iter().map(|effect| of(1, effect)).collect();
        assert_eq!(hashes.len(), effects.len());
    }
}
