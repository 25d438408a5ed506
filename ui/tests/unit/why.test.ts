import { describe, expect, it } from "vitest";
import { type Note, noteAfter } from "../../src/fold/notes.ts";
import { line, why } from "../../src/model/why.ts";
import type { EventRecord } from "../../src/wire.ts";
import { event, node, row } from "./make.ts";

const T = 1e18;
const noted = (...events: EventRecord[]) => {
  let note: Note | undefined;
  for (const one of events) note = noteAfter(note, one);
  return note;
};

const PANIC = {
  state: "backoff",
  cause: "exit",
  next: "start_at",
  next_in_ms: 30_000,
  attempt: 7,
  budget_used: 4,
  budget_max: 5,
  exit: { kind: "panicked", message: "index out of bounds", location: "src/feed.rs:42:7" },
};

describe("the answer for a child", () => {
  it("in back-off says how long, before which restart, and what the run said where", () => {
    const note = noted(event("/f", "ChildPanicked", PANIC));
    const answer = why({
      row: row("/f", "backoff", { attempt: 7 }),
      node: node("/f"),
      note,
      now: T + 25.8e9,
    });
    expect(answer.lead).toBe("Waiting 4.2 s before restart 8");
    expect(line(answer)).toBe("it panicked: index out of bounds at src/feed.rs:42:7");
    const due = why({ row: row("/f", "backoff", { attempt: 7 }), node: node("/f"), note, now: T + 31e9 });
    expect(due.lead).toBe("About to begin restart 8");
  });

  it("of a job with a schedule says when the next run is", () => {
    const timed = { ...node("/f"), diagnostics: { schedule: "next run Tue 2026-11-24 02:30:00 UTC" } };
    for (const state of ["declared", "completed", "failed"]) {
      const answer = why({ row: row("/f", state), node: timed, note: undefined, now: T });
      expect(answer.next).toBe("Next run Tue 2026-11-24 02:30:00 UTC.");
    }
    const note = noted(event("/f", "ChildRunning", { state: "running", cause: "schedule" }));
    expect(line(why({ row: row("/f", "stopped"), node: node("/f"), note, now: T }))).toBe(
      "the time of its schedule came",
    );
  });

  it("without any event falls back to the row and invents no time", () => {
    const bare = row("/f", "backoff", {
      attempt: 2,
      last_failure: { kind: "failed", error: "boom" },
      last_policy_decision: "start_at",
    });
    const answer = why({ row: bare, node: undefined, note: undefined, now: T });
    expect([answer.lead, line(answer)]).toEqual(["Waiting before restart 3", "it failed: boom"]);
  });

  it("in quarantine names the budget and the last failure, or who asked for it", () => {
    const full = { ...PANIC, state: "quarantined", cause: "budget", next: "until_operator", budget_used: 5 };
    const answer = why({
      row: row("/f", "quarantined"),
      node: undefined,
      note: noted(event("/f", "ChildQuarantined", full)),
      now: T,
    });
    expect(line(answer)).toBe(
      "its budget of 5 restarts is exhausted; the last time, it panicked: index out of bounds at src/feed.rs:42:7",
    );
    expect(answer.next).toBe("It stays like this until somebody resumes or restarts it.");
    const asked = { state: "quarantined", cause: "operator", requested_by: "ann", reason: "noisy" };
    const other = why({
      row: row("/f", "quarantined"),
      node: undefined,
      note: noted(event("/f", "ChildQuarantined", asked)),
      now: T,
    });
    expect(line(other)).toBe("ann asked for it: noisy");
  });

  it("names who paused it and what they said", () => {
    const note = noted(
      event("/f", "Paused", { state: "paused", cause: "operator", requested_by: "ann", reason: "smtp down" }),
    );
    const answer = why({ row: row("/f", "paused"), node: undefined, note, now: T });
    expect([answer.lead, line(answer)]).toEqual(["Paused by ann", "smtp down"]);
  });

  it("names whom it waits for", () => {
    const note = noted(
      event("/f", "ChildWaiting", {
        state: "waiting",
        cause: "dependency",
        next: "waits_for",
        next_path: "/db",
      }),
    );
    const answer = why({ row: row("/f", "waiting"), node: undefined, note, now: T });
    expect([answer.lead, answer.next]).toEqual([
      "Waiting for /db to be ready",
      "It is started when /db is ready.",
    ]);
  });

  it("of a state that is unknown says the word", () => {
    expect(why({ row: row("/f", "hibernating"), node: undefined, note: undefined, now: T }).lead).toBe(
      "hibernating",
    );
  });
});

describe("the note", () => {
  it("keeps since when over what changes no state", () => {
    const note = noted(
      event("/f", "ChildRunning", { cause: "start" }, { occurred_at_unix_nanos: 10 }),
      event("/f", "ChildReady", { cause: "report" }, { occurred_at_unix_nanos: 20 }),
      event(
        "/f",
        "ChildHeartbeatMissed",
        { health: "stale", cause: "heartbeat" },
        { occurred_at_unix_nanos: 30 },
      ),
    );
    expect(note).toMatchObject({ since: 10, startedAt: 10, cause: "start" });
  });

  it("knows since when by the first event that shows another state, whichever that is", () => {
    const note = noted(
      event("/f", "ChildStarting", { state: "starting" }, { occurred_at_unix_nanos: 10 }),
      event("/f", "ChildReady", {}, { occurred_at_unix_nanos: 20 }),
      event("/f", "ChildRunning", {}, { occurred_at_unix_nanos: 21 }),
    );
    expect(note).toMatchObject({ since: 20, startedAt: 21 });
  });

  it("does not know since when from an event that begins nothing", () => {
    expect(noted(event("/f", "ChildReady", {}))).toMatchObject({ since: null });
  });

  it("keeps why it failed when the back-off is told after it", () => {
    const note = noted(
      event("/f", "ChildPanicked", PANIC),
      event("/f", "BackoffScheduled", { ...PANIC, exit: undefined }),
    );
    expect(note?.ending).toMatchObject({ kind: "panicked", place: "src/feed.rs:42:7" });
    expect(note).toMatchObject({ budgetUsed: 4, budgetMax: 5 });
  });

  it("takes the number for no bound as no bound", () => {
    expect(
      noted(event("/f", "ChildFailed", { budget_used: 1, budget_max: 4_294_967_295 }))?.budgetMax,
    ).toBeNull();
  });

  it("is not moved by a command's own events", () => {
    const note = noted(
      event("/f", "ChildPanicked", PANIC),
      event("/f", "CommandAccepted", { cause: "operator" }),
    );
    expect(note?.cause).toBe("exit");
  });
});
