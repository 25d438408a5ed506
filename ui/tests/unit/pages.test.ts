// What the pages say that is made of more than one thing: selections, failures, policies, progress.

import { describe, expect, it } from "vitest";
import { affected } from "../../src/model/affected.ts";
import { Commands, stepsOf, tallyOf } from "../../src/model/commands.ts";
import { failures } from "../../src/model/failures.ts";
import { policy } from "../../src/model/policy.ts";
import { standingSaid, worstOf } from "../../src/model/problems.ts";
import { because, beside, stateWord } from "../../src/model/row.ts";
import { bulk, outermost } from "../../src/model/selection.ts";
import { ageOf } from "../../src/model/time.ts";
import { Rank } from "../../src/fold/tally.ts";
import { event, listed, node, row, target } from "./make.ts";

const asking = { role: "admin", live: true, target: listed("shop") };

describe("a command on a selection", () => {
  const shop = target("shop", [row("/"), row("/a"), row("/a/x"), row("/b", "paused"), row("/ab")]);

  it("goes to those who take it, and says why the others are left out", () => {
    expect(bulk(asking, shop.view, ["/a", "/b", "/ab"], "pause_child")).toEqual({
      takes: ["/a", "/ab"],
      refused: [{ path: "/b", why: "It is paused already." }],
    });
    expect(bulk({ ...asking, role: "viewer" }, shop.view, ["/a"], "restart_child")).toEqual({
      takes: [],
      refused: [{ path: "/a", why: "Needs the role operator; you are viewer." }],
    });
  });

  it("is not given to one whose supervisor gets it, and not to one that is gone", () => {
    expect(outermost(["/a/x", "/a", "/ab", "/b/c"])).toEqual(["/a", "/ab", "/b/c"]);
    expect(bulk(asking, shop.view, ["/a", "/a/x", "/gone"], "remove_child").takes).toEqual(["/a"]);
  });

  it("tells who is below and who needs one of them", () => {
    const topology = shop.view?.topology;
    if (!shop.view || topology === undefined) throw new Error("no view");
    const edge = { edge_id: "d", source_path: "/ab", target_path: "/a", kind: "dependency", order: 0 };
    shop.view.applyDelta({
      topology: { ...topology, edges: [...topology.edges, edge] },
      runtime_state: [...shop.view.rows.values()],
    });
    expect(affected(shop.view, ["/a"])).toEqual({ below: ["/a/x"], needing: ["/ab"] });
    expect(affected(shop.view, ["/a", "/ab"]).needing).toEqual([]);
  });
});

describe("a child's history", () => {
  const events = [
    event("/a", "ChildFailed", { exit: { kind: "failed", error: "one" }, generation: 1, ran_ms: 1_500 }),
    event("/a", "BackoffScheduled", {
      delay_ms: 400,
      budget_used: 1,
      budget_max: 5,
      exit: { kind: "failed", error: "one" },
    }),
    event("/a", "ChildPanicked", {
      exit: { kind: "panicked", message: "two", location: "src/a.rs:1:2" },
      generation: 2,
    }),
    event("/a", "ChildStopping", { grace_ms: 4_294_967_295 }),
    event("/a", "ChildStopped", { exit: { kind: "stopped" } }),
  ];

  it("has each failure once, the newest first, with what it said and where", () => {
    expect(
      failures(events).map(({ run, ranMs, ending }) => [run, ranMs, ending.message, ending.place]),
    ).toEqual([
      [2, null, "two", "src/a.rs:1:2"],
      [1, 1_500, "one", null],
    ]);
  });

  it("says how much a child matters in the word of stack files", () => {
    const criticality = (word: string) => policy({ ...node("/a"), criticality: word }, [])[0]?.value;
    expect(["best_effort", "critical"].map(criticality)).toEqual(["optional", "critical"]);
  });

  it("tells each number of the policy and where it was told", () => {
    expect(policy(node("/a"), events).map(({ name, value, event }) => [name, value, event])).toEqual([
      ["criticality", "standard", null],
      ["budget", "5 restarts", "BackoffScheduled"],
      ["last back-off", "0.4 s", "BackoffScheduled"],
      ["grace", "no bound", "ChildStopping"],
    ]);
  });
});

describe("a row", () => {
  const none = { total: 0, down: 0, worst: Rank.fine };
  it("says the attempt and when it is, of a supervisor how many do not run, and what failed", () => {
    expect(beside(row("/a", "backoff", { attempt: 7 }), undefined, none, 0)).toBe("restart 8");
    expect(beside(row("/a"), undefined, { total: 41, down: 3, worst: Rank.broken }, 0)).toBe(
      "3/41 not running",
    );
    expect(stateWord(row("/a"), { total: 41, down: 3, worst: Rank.broken })).toBe("degraded");
    expect(stateWord(row("/a"), { total: 41, down: 3, worst: Rank.idle })).toBe("running");
    const failed = row("/a", "quarantined", { last_failure: { kind: "failed", error: "exit code 3" } });
    expect(because(failed, undefined, undefined, 0)).toBe("failed · exit code 3 · budget exhausted");
  });
});

describe("a target in the fleet", () => {
  it("names its worst child, never the root", () => {
    const shop = target("shop", [row("/", "starting"), row("/a", "backoff"), row("/b", "failed"), row("/c")]);
    expect(worstOf(shop)).toEqual({ path: "/b", state: "failed" });
    expect(worstOf(target("fine", [row("/"), row("/a")]))).toBeNull();
    const ailing = target("ailing", [row("/"), row("/a", "running", { health: "stale" })]);
    expect(worstOf(ailing)).toEqual({ path: "/a", state: "stale" });
  });

  it("has an age that does not flicker", () => {
    expect([0, 999, 1_000, 42_000].map(ageOf)).toEqual(["< 1 s", "< 1 s", "1.0 s", "42 s"]);
  });
});

describe("the progress of a command", () => {
  const send = (commands: Commands, id: string) =>
    commands.sent(
      {
        command_id: id,
        target_id: "shop",
        command: "restart_child",
        target: { child_path: "/a" },
        reason: "r",
        confirmed: false,
      },
      1_000,
      30_000,
    );

  it("shows what was reached and what is to come, without what was passed over", () => {
    const commands = new Commands();
    send(commands, "c-1");
    const now = (type: string) =>
      commands.hear(
        {
          type: "event",
          target_id: "shop",
          event: event("/a", type, {}, { correlation_id: "c-1", occurred_at_unix_nanos: 2e9 }),
        },
        2_000,
      );
    now("CommandAccepted");
    now("ChildStarting");
    const [one] = commands.all;
    if (one === undefined) throw new Error("not kept");
    expect(stepsOf(one).map(({ step, at }) => (at === null ? `(${step})` : step))).toEqual([
      "sent",
      "accepted",
      "starting",
      "(started)",
      "(ready)",
      "(done)",
    ]);
    expect(one.deadline).toBe(31_000);
  });

  it("has its steps in their order, also when the target tells them in another", () => {
    const commands = new Commands();
    send(commands, "c");
    for (const type of ["ChildStopping", "CommandAccepted", "ChildStarting", "ChildReady", "ChildRunning"])
      commands.hear(
        {
          type: "event",
          target_id: "shop",
          event: event("/a", type, {}, { correlation_id: "c", occurred_at_unix_nanos: 2e9 }),
        },
        2_000,
      );
    expect(commands.all.flatMap(stepsOf).flatMap(({ step, at }) => (at === null ? [] : [step]))).toEqual([
      "sent",
      "accepted",
      "stopping",
      "starting",
      "started",
      "ready",
    ]);
  });

  it("of many is told in numbers", () => {
    const commands = new Commands();
    for (const id of ["a", "b", "c"]) send(commands, id);
    const error = {
      code: "authz_denied",
      stage: "authorization",
      target_id: "shop",
      message: "no",
      retryable: false,
    };
    commands.hear({ type: "error", command_id: "a", error }, 2_000);
    expect(tallyOf(commands.all)).toEqual({ all: 3, done: 0, going: 2, wrong: 1 });
  });
});

describe("how a target stands", () => {
  const said = (...states: string[]) =>
    standingSaid(target("shop", [row("/"), ...states.map((state, at) => row(`/c-${at}`, state))]));

  it("is said of those who run, and one that is completed does not", () => {
    expect(said("running", "running")).toEqual({ state: "running", word: "all 2 running" });
    expect(said("running", "completed")).toEqual({ state: "running", word: "1 running, 1 completed" });
    expect(said("completed")).toEqual({ state: "completed", word: "all 1 completed" });
  });

  it("has the sign of what does not run when nothing is broken", () => {
    expect(said("running", "paused")).toEqual({ state: "paused", word: "1/2 not running" });
    expect(said("paused", "failed")).toEqual({ state: "degraded", word: "2/2 not running" });
  });
});
