//! Prints the catalogue of events as a page: `docs/events.md`, written by `cargo xtask gen`.
#![expect(clippy::print_stdout, reason = "this program prints a page")]

use supervisor_api::{Cause, EventKind, Next, Severity};

/// Kinds that the catalogue has for the sake of the wire, and that no tree emits.
const RESERVED: &[EventKind] =
    &[EventKind::ChildDeclarationRejected, EventKind::SubscriberLagged, EventKind::SpecApplied];

const INTRODUCTION: &str = "\
# Events

This page is generated from the catalogue in `crates/api/src/event/catalogue.rs` by `cargo xtask gen`. Do not edit it.

A tree tells every decision as one event. In Rust an event is a `StampedEvent`; `Display` gives it as a line of
text. As JSON it is one object with the keys `sequence`, `correlation_id`, `event_type`, `severity`, `target_path`,
`child_id`, `occurred_at_unix_nanos` and `payload`. `sequence` counts from 1 in each tree and has no holes.
Readers should keep a word that they do not know as text: more kinds may come.

## The payload of every event

The first six keys are the child's row right after the event. Whoever folds them, event by event, has the state of
the tree.

| key | meaning |
|---|---|
| `state` | the state of the child |
| `health` | what its heartbeats and probes say |
| `readiness` | whether the live run is ready |
| `generation` | the number of the live or last run, from 1; 0 before the first |
| `attempt` | which restart of the streak of failures the run is; 0 for a first run |
| `restart_count` | automatic restarts of the child so far |
| `cause` | why; one of the words below |
| `cause_path` | the other child that caused it, if there is one |
| `next` | what happens next; one of the words below |
| `next_path` | whom it waits for, when it waits |
| `next_in_ms` | how long until then, when that is known |
| `exit` | how the run ended: `kind`, and what belongs to that kind |
| `requested_by`, `reason` | who asked for it, and why, as they said |
| `text` | a sentence: why a run declined, what was missing |
| `chain` | what led to an escalation, the first cause first |

An absent key means that there is nothing to say. A number that has no bound, such as the `budget_max` of an
unlimited budget or the `grace_ms` of an infinite grace, is 4294967295.
";

fn main() {
    println!("{INTRODUCTION}");
    println!("## Kinds\n");
    for &severity in Severity::ALL.iter().rev() {
        let kinds = EventKind::ALL.iter().filter(|kind| kind.severity() == severity && emitted(kind));
        table(title(severity), kinds.copied());
    }
    table("Reserved: known names that no tree emits", RESERVED.iter().copied());
    println!("## Words of `cause`\n\n| word | meaning |\n|---|---|");
    for (cause, meaning) in CAUSES {
        println!("| `{}` | {meaning} |", cause.word());
    }
    println!("\n## Words of `next`\n\n| word | meaning |\n|---|---|");
    for (next, meaning) in NEXTS {
        println!("| `{}` | {meaning} |", next.word());
    }
}

fn table(title: &str, kinds: impl Iterator<Item = EventKind>) {
    let lines: Vec<String> = kinds.map(line).collect();
    if !lines.is_empty() {
        println!("### {title}\n\n| event | numbers in the payload | meaning |\n|---|---|---|");
        println!("{}\n", lines.join("\n"));
    }
}

fn emitted(kind: &EventKind) -> bool {
    !RESERVED.contains(kind)
}

fn title(severity: Severity) -> &'static str {
    match severity {
        Severity::Trace => "Severity `trace`: of interest when reading the code",
        Severity::Debug => "Severity `debug`: of interest when looking for a fault",
        Severity::Info => "Severity `info`: the normal course of things",
        Severity::Warning => "Severity `warning`: something is wrong and is being dealt with",
        Severity::Error => "Severity `error`: something is broken and will not mend itself",
    }
}

fn line(kind: EventKind) -> String {
    let spec = kind.spec();
    format!("| `{}` | {} | {} |", spec.name, words(spec.numbers.iter().copied()), spec.meaning)
}

fn words(names: impl Iterator<Item = &'static str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

const CAUSES: &[(Cause, &str)] = &[
    (Cause::Start, "the initial start of its supervisor"),
    (Cause::Exit, "its own end; `exit` says how"),
    (Cause::Report, "its own report: ready, declined, a heartbeat"),
    (Cause::Backoff, "the time of its back-off came"),
    (Cause::Deadline, "it did not start within `ready_within`"),
    (Cause::Heartbeat, "a missed heartbeat or a failed probe"),
    (Cause::Dependency(0), "a sibling it depends on"),
    (Cause::Group(0), "a group restart caused by a sibling"),
    (Cause::Escalation(0), "a supervisor gave up"),
    (Cause::Unwind(0), "an initial start was unwound because another child failed"),
    (Cause::Primary(0), "the primary it is the sidecar of"),
    (Cause::Supervisor(0), "its supervisor is being stopped or started"),
    (Cause::Significant(0), "a significant child ended"),
    (Cause::Budget, "an exhausted budget"),
    (Cause::Operator, "a command; `requested_by` and `reason` say whose"),
    (Cause::Shutdown, "the shutdown of the tree"),
    (Cause::Reload, "a new spec was applied"),
    (Cause::Schedule, "the time of its schedule came"),
];

const NEXTS: &[(Next, &str)] = &[
    (Next::Nothing, "nothing that is known"),
    (Next::StartNow, "it is started now"),
    (Next::StartAt(0), "it is started in `next_in_ms`"),
    (Next::WithGroup(0), "it is started with its group, not before `next_in_ms`"),
    (Next::WaitsFor(0), "it is started when `next_path` is ready"),
    (Next::WhenGone, "it is started when its old run is gone"),
    (Next::KillAt(0), "it is killed in `next_in_ms` unless it ends before"),
    (Next::Operator, "it stays until an operator resumes or restarts it"),
    (Next::Escalate, "its supervisor gives up"),
];
