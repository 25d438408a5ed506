import { bytes } from "../../src/model/time.ts";
import { describe, expect, it } from "vitest";
import { View } from "../../src/fold/view.ts";
import type { EventRecord, LogRecord, RuntimeRow, StateDelta } from "../../src/wire.ts";
import { bare, fold } from "./fixtures.ts";
import { event, row, state } from "./make.ts";

function play(view: View, push: Record<string, unknown>): void {
  if (push["type"] === "event") view.applyEvent(push["event"] as EventRecord);
  if (push["type"] === "log") view.applyLog(push["log"] as LogRecord);
  if (push["type"] === "state_delta") view.applyDelta(push["delta"] as StateDelta);
  if (push["type"] === "gap")
    view.noteGap("events", { from: push["from"] as number, to: push["to"] as number });
}

describe.each(["fold_upsert", "fold_replace"])("the fold of %s", (name) => {
  const { first, pushes, last } = fold(name);

  it("leads to the state in the fixture", () => {
    const view = new View(first);
    for (const push of pushes) play(view, push);
    expect(bare(view.state())).toEqual(last);
  });

  it("leads there also when everything arrives twice", () => {
    const view = new View(first);
    for (const push of pushes) {
      play(view, push);
      play(view, push);
    }
    expect(bare(view.state())).toEqual(last);
  });

  it("counts as the rows stand after each push", () => {
    const view = new View(first);
    for (const push of pushes) {
      play(view, push);
      const rows = [...view.rows.values()].filter((row) => row.child_path !== "/");
      const down = rows.filter((row) => !["running", "completed", "removed"].includes(row.lifecycle_state));
      expect([view.tally.total, view.tally.down]).toEqual([
        rows.filter((row) => row.lifecycle_state !== "removed").length,
        down.length,
      ]);
      for (const path of view.tally.bad.keys()) expect(down.map((row) => row.child_path)).toContain(path);
    }
  });
});

describe("the fold", () => {
  it("remembers what was lost from the first to the last", () => {
    const view = new View(fold("fold_replace").first);
    view.noteGap("events", { from: 7, to: 9 });
    view.noteGap("events", { from: 12, to: 12 });
    expect([view.gap("events"), view.gap("logs")]).toEqual([{ from: 7, to: 12 }, null]);
  });

  it("does not take an event, a row or a topology's row that is as old as the row there is", () => {
    const { first } = fold("fold_upsert");
    const view = new View(first);
    const known = view.row("/db");
    if (known === undefined) throw new Error("no row");
    const other = { ...known, generation: 99 };
    view.applyDelta({ runtime_state: [other] });
    expect(view.row("/db")).toBe(known);
    const { lifecycle_state, ...rest } = other;
    view.applyEvent(event("/db", "ChildReady", { ...rest, state: lifecycle_state }, { sequence: 10 }));
    expect(view.row("/db")).toBe(known);
    view.applyDelta({ topology: first.topology, runtime_state: [other] });
    expect(view.row("/db")).toBe(known);
    view.applyEvent(event("/db", "ChildReady", { ...rest, state: lifecycle_state }, { sequence: 11 }));
    expect(view.row("/db")?.generation).toBe(99);
  });

  it("does not take a child that is called __proto__ for anything else", () => {
    const { first } = fold("fold_upsert");
    const view = new View(first);
    const row = { ...first.runtime_state[1], child_path: "/__proto__", lifecycle_state: "failed", as_of: 99 };
    view.applyDelta({ runtime_state: [row as never] });
    expect(view.row("/__proto__")?.lifecycle_state).toBe("failed");
    expect(view.row("/constructor")).toBeUndefined();
    expect(view.tally.bad.get("/__proto__")).toBeDefined();
  });
});

describe("what a row tells beyond the contract", () => {
  const MORE = {
    since_unix_nanos: 2_000,
    started_at_unix_nanos: 1_000,
    pid: 77,
    budget: { used: 1, max: 5, window_nanos: 60, clear_at_unix_nanos: 99 },
  };

  /** A view in which `/db` says since when it runs, and of which program; and what is told of it. */
  function timed(more: Partial<RuntimeRow> = MORE) {
    const db = row("/db", "running", { generation: 4, as_of: 50, ...more });
    const view = new View(state("shop", [row("/"), db]));
    const told = () => {
      const { since_unix_nanos, started_at_unix_nanos, next_start_at_unix_nanos, pid, budget } = view.row(
        "/db",
      ) as RuntimeRow;
      return [since_unix_nanos, started_at_unix_nanos, next_start_at_unix_nanos, pid, budget?.used];
    };
    const happen = (sequence: number, lifecycle: string, generation: number, more: object = {}) => {
      const payload = { state: lifecycle, generation, ...more };
      const at = { sequence, occurred_at_unix_nanos: sequence * 1e9 };
      view.applyEvent(event("/db", "ChildReady", payload, at));
    };
    return { view, told, happen };
  }

  it("follows the events by the rule of the target", () => {
    const { told, happen } = timed();
    happen(51, "running", 4);
    expect(told()).toEqual([2_000, 1_000, undefined, 77, 1]);
    happen(52, "backoff", 4, { next: "start_at", next_in_ms: 1_500 });
    expect(told()).toEqual([52e9, undefined, 53.5e9, undefined, 1]);
    happen(53, "backoff", 4);
    expect(told()).toEqual([52e9, undefined, 53.5e9, undefined, 1]);
    happen(54, "starting", 5);
    expect(told()).toEqual([54e9, 54e9, undefined, undefined, 1]);
    happen(55, "running", 5);
    expect(told()).toEqual([55e9, 54e9, undefined, undefined, 1]);
    happen(56, "starting", 5);
    expect(told()).toEqual([56e9, undefined, undefined, undefined, 1]);
    happen(57, "paused", 5);
    expect(told()).toEqual([57e9, undefined, undefined, undefined, 1]);
  });

  it("comes with a row as of the same event, and not with an older one", () => {
    const { view, told, happen } = timed();
    happen(51, "running", 5);
    expect(told()[3]).toBeUndefined();
    const next = { ...(view.row("/db") as RuntimeRow), pid: 78, generation: 99 };
    expect(view.applyDelta({ runtime_state: [next] })).toBe(true);
    expect([view.row("/db")?.pid, view.row("/db")?.generation]).toEqual([78, 5]);
    expect(view.applyDelta({ runtime_state: [next] })).toBe(false);
    expect(view.applyDelta({ runtime_state: [{ ...next, as_of: 50, pid: 77 }] })).toBe(false);
  });

  it("keeps what a program uses for as long as its run is on", () => {
    const usage = {
      cpu_percent: 7,
      cpu_millis: 900,
      resident_bytes: 612 * 2 ** 20,
      threads: 2,
      descriptors: 3,
      processes: 1,
      measured_at_unix_nanos: 1_500,
    };
    const poll_times = {
      busy_percent: 12,
      busy_millis: 900,
      polls: 40,
      longest_poll_micros: 7_000,
      measured_at_unix_nanos: 1_500,
    };
    const { view, happen } = timed({ ...MORE, usage, poll_times });
    happen(51, "running", 4, {});
    expect(view.row("/db")?.usage).toEqual(usage);
    expect(view.row("/db")?.poll_times).toEqual(poll_times);
    const other = { ...(view.row("/db") as RuntimeRow), usage: { ...usage, cpu_percent: 8 } };
    expect(view.applyDelta({ runtime_state: [other] })).toBe(true);
    expect(view.row("/db")?.usage?.cpu_percent).toBe(8);
    happen(52, "backoff", 4, {});
    expect(view.row("/db")?.usage).toBeUndefined();
    expect(view.row("/db")?.poll_times).toBeUndefined();
    expect([512, 640 * 1024, usage.resident_bytes, 3.5 * 2 ** 30].map(bytes)).toEqual([
      "512 B",
      "640 KiB",
      "612 MiB",
      "3.5 GiB",
    ]);
  });

  it("is not made up for a target that does not tell it", () => {
    const { told, happen } = timed({});
    happen(51, "backoff", 4, { next: "start_at", next_in_ms: 1_500 });
    expect(told()).toEqual([undefined, undefined, undefined, undefined, undefined]);
  });
});
