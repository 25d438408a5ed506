import { describe, expect, it } from "vitest";
import { View } from "../../src/fold/view.ts";
import type { EventRecord, LogRecord, StateDelta } from "../../src/wire.ts";
import { bare, fold } from "./fixtures.ts";
import { event } from "./make.ts";

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
