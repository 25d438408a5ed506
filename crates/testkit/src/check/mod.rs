//! The checker of invariants: an independent model of a tree that watches a machine.
//!
//! The checker sees what the machine is told ([`Did`]) and what it does about it (its effects), recomputes
//! from these alone what must be true, and complains with a [`Violation`]. It never asks the machine for the
//! answer it checks: reads of the machine are only what is compared against. Each invariant is a function or
//! a file that carries its number: `i08` is where invariant 8 is.
//!
//! A step costs what its effects cost. What needs a pass over the tree is in [`Checker::sweep`].
//!
//! | file | subject |
//! |---|---|
//! | `violation` | the invariants by number |
//! | `model` | what is known of the tree |
//! | `plant` | how that is made, and changes |
//! | `inputs` | what an input means for the model |
//! | `adopt` | what a new spec means for the model |
//! | `fold` | what an event means for the model |
//! | `i…` | the invariants |
//!
//! Where each invariant is checked:
//!
//! | number | functions | file |
//! |---|---|---|
//! | 1 | `i01_one_life` | `i01_i02_runs` |
//! | 2 | `i02_generation`, `i02_row` | `i01_i02_runs` |
//! | | `declared`: a place that is used again has a new epoch | `i17_i18_commands` |
//! | 3 | `i03_stale_changes_nothing` | `i03_i28_calls` |
//! | 4 | `i04_dependencies`, `i04_initial_start_is_over` | `i04_i11_starts` |
//! | 5 | `i05_stop_order`, `i05_line_in_order`, `i05_stands_after_its_needs`, `i05_stop_goes_on` | `i05_stop_order` |
//! | 6 | `i06_start_has_a_reason`, `i06_stop_has_a_reason`, `i06_in_turn`, `i06_group_is_down`, `i06_groups_go_on`, `i06_sidecars_rest` | `i06_scopes` |
//! | | `i06_event_follows`, `asked_to_stop`, `killed` | `i01_i02_runs` |
//! | | `i10_delay`: alone or with its group | `i08_i10_budgets` |
//! | 7 | `i07_decision`, `i07_is_where_it_was_wanted`, `i07_retry_is_void`, `i07_every_end_counts` | `i07_i32_decisions` |
//! | | `i07_ends_for_a_reason`, `i07_says_who_failed`, `i07_significance_fires` | `i07_significance` |
//! | 8 | `i08_charge` | `i08_i10_budgets` |
//! | 9 | `i09_exhausted`, `i09_escalated`, `i09_none_is_lost` | `i08_i10_budgets` |
//! | 10 | `i10_delay`, `i10_not_early` | `i08_i10_budgets` |
//! | | `i06_group_is_down`: no group comes up before its longest delay is over | `i06_scopes` |
//! | 11 | `i11_nothing_starts_where_it_must_not`, `i11_is_let_go`, `i11_none_outlives_its_supervisor` | `i04_i11_starts` |
//! | | `spawned`: nobody who is not in the tree | `i01_i02_runs` |
//! | 12 | `i12_shutdown_begins`, `i12_kill_is_not_early`, `i12_given_up_in_time`, `i12_nobody_is_spared`, `stopped` | `i12_stops` |
//! | | `i12_stop_in_time` | `i29_on_time` |
//! | | `tree_ended` | `fold` |
//! | 15 | `i15_ready_once` | `i22_i25_rows` |
//! | 16 | `i16_heartbeat` | `i16_heartbeats` |
//! | | `i29_beat_in_time` | `i29_on_time` |
//! | 17 | `i17_max_children` | `i17_i18_commands` |
//! | 18 | `i18_reply`, `i18_nobody_is_forgotten` | `i17_i18_commands` |
//! | | `asked`, `i18_reply_is_right` | `i18_replies` |
//! | | `i30_everybody_is_answered` | `i30_calm` |
//! | 22 | `told` | `mod` |
//! | | `declared` | `i17_i18_commands` |
//! | | `changed`, `forgotten`, `tree_started`, `tree_ended` | `fold` |
//! | 23 | `i23_touched_rows`, `i23_every_row` | `i22_i25_rows` |
//! | 24 | `i24_cause_lies_before`, `i24_exit_is_the_reported_one` | `i24_causes` |
//! | 25 | `i25_edge`, `i25_counts`, `i25_recount` | `i22_i25_rows` |
//! | | `i25_counts_of_supervisors`, `i25_health` | `i25_totals` |
//! | 28 | `i28_one_call_is_bounded`, `i28_the_gone_are_forgotten` | `i03_i28_calls` |
//! | 29 | `i29_nothing_is_overdue` | `i29_on_time` |
//! | 30 | `calm`, `i30_is_as_it_should_be` | `i30_calm` |
//! | | `i30_ends_when_done` | `i07_significance` |
//! | 31 | `i31_the_dropped_are_gone` | `i30_calm` |
//! | | `i06_stop_has_a_reason`: nobody whom the new spec leaves alone | `i06_scopes` |
//! | 32 | `i07_compare` | `i07_i32_decisions` |
//!
//! 35 is a second run of the same seed, in the simulator. The readers of a stream, and what 22 and 23 mean to them, are
//! there too.

mod adopt;
mod fold;
mod i01_i02_runs;
mod i03_i28_calls;
mod i04_i11_starts;
mod i05_stop_order;
mod i06_scopes;
mod i07_i32_decisions;
mod i07_significance;
mod i08_i10_budgets;
mod i12_stops;
mod i16_heartbeats;
mod i17_i18_commands;
mod i18_replies;
mod i22_i25_rows;
mod i24_causes;
mod i25_totals;
mod i29_on_time;
mod i30_calm;
mod i31_refused;
mod inputs;
mod model;
mod plant;
mod violation;

use supervisor_api::{Event, Lifecycle};
use supervisor_core::{Effect, Input, Machine, Resolved, Ticket};

use self::i07_significance::Fired;
use self::i18_replies::Asked;
use self::inputs::Turn;
use self::model::Model;
use self::violation::{Check, must};

pub use self::violation::{Invariant, Violation};

/// What the machine was called for.
#[derive(Debug, Clone, Copy)]
pub enum Did<'a> {
    /// [`Machine::launch`].
    Launch,
    /// [`Machine::handle`] with this input.
    Input(&'a Input),
    /// [`Machine::go_on`].
    GoOn,
}

/// Watches one machine from its launch on. After a violation it is of no further use until
/// [`Checker::reset`].
#[derive(Debug, Default)]
pub struct Checker {
    model: Model,
    now: u64,
    /// Which call of the machine this is, from 1.
    call: u64,
    turn: Turn,
    /// Whether the machine had something left to do before this call.
    open_before: bool,
    /// The next deadline of the machine after the call before.
    deadline_before: Option<u64>,
    /// Commands without a reply.
    asked: Vec<Asked>,
    /// The highest number that a command had so far.
    newest_ticket: Ticket,
    /// Children in each state, the root left out.
    counts: [u32; Lifecycle::ALL.len()],
    /// Nodes with an effect in this call.
    touched: Vec<u32>,
    /// Supervisors with a group that goes down or up.
    groups: Vec<u32>,
    /// Significant children that ended so that their supervisor has to.
    fired: Vec<Fired>,
    /// Sidecars whose primary has come to rest, and the epoch and the run they had then.
    laid_off: Vec<(u32, (u32, u64))>,
    ending: Option<Ending>,
    /// Graces were cut to zero at this time.
    skipped: Option<u64>,
    /// Every child of the first spec was told of.
    announced: bool,
    started: bool,
    done: bool,
    stale: u64,
    /// A new spec was applied at some time.
    reloaded: bool,
}

/// The end of the whole tree has begun.
#[derive(Debug, Clone, Copy)]
struct Ending {
    /// Nobody is waited for.
    hard: bool,
}

impl Checker {
    /// A checker for a machine that is made of this tree and was not launched yet.
    pub fn new(resolved: &Resolved) -> Self {
        let mut checker = Self::default();
        checker.reset(resolved);
        checker
    }

    /// Takes up another tree. Memory is kept, so that many short schedules cost little.
    pub fn reset(&mut self, resolved: &Resolved) {
        let (mut model, mut asked, mut touched) = (
            std::mem::take(&mut self.model),
            std::mem::take(&mut self.asked),
            std::mem::take(&mut self.touched),
        );
        model.reset(resolved);
        asked.clear();
        touched.clear();
        *self = Self { model, asked, touched, ..Self::default() };
    }

    /// Checks one call of the machine: what it was told at `now`, and the effects of just this call.
    ///
    /// # Errors
    /// The first invariant that does not hold.
    pub fn step(&mut self, now: u64, did: Did<'_>, effects: &[Effect], machine: &Machine) -> Check {
        self.now = self.now.max(now);
        self.call += 1;
        self.begin(did, effects);
        for effect in effects {
            self.effect(effect)?;
        }
        self.end(did, effects, machine)
    }

    /// Compares everything with the machine. Costs a pass over the tree; meant for every 64 steps and the end.
    ///
    /// # Errors
    /// As [`Checker::step`].
    pub fn sweep(&mut self, now: u64, machine: &Machine) -> Check {
        self.now = self.now.max(now);
        self.i23_every_row(machine)?;
        self.i31_spec_is_as_told(machine)?;
        self.i25_recount(machine)?;
        self.i25_counts_of_supervisors(machine)?;
        self.i25_health(machine)?;
        self.i28_the_gone_are_forgotten(machine)?;
        self.i11_none_outlives_its_supervisor(machine)?;
        self.i30_ends_when_done(machine)?;
        self.i29_nothing_is_overdue(machine)
    }

    /// Whether the tree has ended.
    pub fn is_done(&self) -> bool {
        self.done
    }

    fn effect(&mut self, effect: &Effect) -> Check {
        self.i06_event_follows(effect)?;
        match effect {
            Effect::Declared { key, parent, path, policy, .. } => self.declared(*key, *parent, path, policy),
            Effect::Changed { key, policy, .. } => self.changed(*key, policy),
            Effect::Spawn { key, generation, attempt } => self.spawned(*key, *generation, *attempt),
            Effect::Stop { key, grace } => self.asked_to_stop(*key, *grace),
            Effect::Kill { key } => self.killed(*key),
            Effect::Emit(event) => self.told(event),
            Effect::Reply { ticket, result } => self.i18_reply(*ticket, result),
            Effect::Forget { key } => self.forgotten(*key),
            Effect::Started => self.tree_started(),
            Effect::Done(end) => self.tree_ended(end),
        }
    }

    fn told(&mut self, event: &Event) -> Check {
        let Some(at) = self.model.find(event.child) else {
            must!(
                self,
                false,
                Sequence,
                "{} is told about {:?}, which is not there",
                event.kind,
                event.child
            );
            return Ok(());
        };
        self.i25_edge(at, event)?;
        self.i02_row(at, event)?;
        self.i15_ready_once(at, event)?;
        self.i11_is_let_go(at, event)?;
        self.i12_given_up_in_time(at, event)?;
        self.i24_cause_lies_before(at, event)?;
        self.i06_reasons(at, event)?;
        self.i16_heartbeat(at, event)?;
        self.i07_decision(at, event)?;
        self.i07_is_where_it_was_wanted(at, event)?;
        self.i09_escalated(at, event)?;
        self.i07_ends_for_a_reason(at, event)?;
        self.i04_initial_start_is_over(at, event)?;
        self.fold(at, event)
    }

    fn touch(&mut self, at: u32) {
        let call = self.call;
        let life = self.model.life(at);
        if life.touched != call {
            life.touched = call;
            self.touched.push(at);
        }
    }

    fn end(&mut self, did: Did<'_>, effects: &[Effect], machine: &Machine) -> Check {
        self.i03_stale_changes_nothing(effects, machine)?;
        self.i24_exit_is_the_reported_one(did, effects)?;
        self.i07_every_end_counts()?;
        self.i12_shutdown_begins()?;
        self.i06_groups_go_on(machine)?;
        self.i09_none_is_lost()?;
        self.i07_significance_fires(machine)?;
        self.i07_retry_is_void()?;
        self.i06_sidecars_rest(machine)?;
        self.i28_one_call_is_bounded(did, effects)?;
        self.i31_refusals_change_nothing(did, effects, machine)?;
        self.i18_nobody_is_forgotten()?;
        self.i23_touched_rows(machine)?;
        self.i25_counts(machine)?;
        (self.open_before, self.deadline_before) = (machine.has_open_plan(), machine.next_deadline());
        Ok(())
    }
}
