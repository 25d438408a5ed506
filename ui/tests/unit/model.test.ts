import { describe, expect, it, vi } from "vitest";
import { Rank } from "../../src/fold/tally.ts";
import { onChild, onTree, safeAction } from "../../src/model/actions.ts";
import { conditions, fromQuery, NO_FILTER, toQuery } from "../../src/model/filter.ts";
import { problems, standing, worstFirst } from "../../src/model/problems.ts";
import { runs } from "../../src/model/runs.ts";
import { clock, count, Skew, span } from "../../src/model/time.ts";
import { Outline } from "../../src/model/outline.ts";
import { type Choice, type Line, linesOf, Shape } from "../../src/model/tree.ts";
import { choosing, chosenIn, href, parse } from "../../src/route.ts";
import { event, listed, row, target } from "./make.ts";

const OPERATOR = { role: "operator", live: true, target: listed("shop") };
const CLOSED: Choice = { open: new Map(), all: new Set(), problemsOnly: false, search: "" };

function drawn(made: ReturnType<typeof target>, choice: Partial<Choice> = {}): string[] {
  const view = made.view;
  if (view === null) return [];
  const word = (line: Line) =>
    line.is === "node" ? line.path : `${line.path} +${line.hidden} (${line.down} down)`;
  return linesOf(new Outline(view, new Shape(view.topology)), { ...CLOSED, ...choice }).map(word);
}

describe("actions", () => {
  it("that do not fit the state, the role or the moment say why", () => {
    const refusals = (asking: typeof OPERATOR, state: string) =>
      Object.fromEntries(onChild(asking, row("/db", state)).map((one) => [one.verb, one.refusal]));
    expect(refusals(OPERATOR, "running")).toEqual({
      resume_child: "It is neither paused nor quarantined.",
      restart_child: null,
      pause_child: null,
      quarantine_child: null,
      remove_child: "Needs the role admin; you are operator.",
    });
    expect(refusals(OPERATOR, "paused")["pause_child"]).toBe("It is paused already.");
    expect(refusals({ ...OPERATOR, role: "viewer" }, "paused")["resume_child"]).toBe(
      "Needs the role operator; you are viewer.",
    );
    expect(refusals({ ...OPERATOR, live: false }, "paused")["resume_child"]).toBe(
      "Not live: nothing can be sent now.",
    );
    const poor = { ...OPERATOR, target: listed("shop", { supported_commands: [] }) };
    expect(refusals(poor, "running")["restart_child"]).toBe("This target does not take this command.");
  });

  it("on the root are only those of the tree", () => {
    expect(onChild(OPERATOR, row("/")).every((one) => one.refusal !== null)).toBe(true);
    expect(onTree({ ...OPERATOR, role: "admin" }, row("/")).map((one) => one.refusal)).toEqual([null, null]);
    expect(onTree({ ...OPERATOR, role: "admin" }, row("/", "stopping"))[1]?.refusal).toBe(
      "It is stopping or has ended.",
    );
  });

  it.each([
    ["backoff", "restart_child"],
    ["quarantined", "resume_child"],
    ["paused", "resume_child"],
    ["failed", "restart_child"],
    ["running", undefined],
    ["unresponsive", undefined],
    ["starting", undefined],
  ])("in state %s the one safe action is %s", (state, verb) => {
    expect(safeAction(OPERATOR, row("/db", state))?.verb).toBe(verb);
  });
});

describe("the tree", () => {
  const rows = [row("/"), row("/a"), row("/a/x"), row("/a/y"), row("/b"), row("/b/z", "failed"), row("/c")];

  it("closes healthy branches and opens those with a problem", () => {
    expect(drawn(target("shop", rows))).toEqual(["/", "/a", "/b", "/b/z", "/c"]);
  });

  it("obeys a person's choice, shows problems only, and finds", () => {
    const shop = target("shop", rows);
    expect(
      drawn(shop, {
        open: new Map([
          ["/a", true],
          ["/b", false],
        ]),
      }),
    ).toEqual(["/", "/a", "/a/x", "/a/y", "/b", "/c"]);
    expect(drawn(shop, { problemsOnly: true })).toEqual(["/", "/b", "/b/z"]);
    expect(drawn(shop, { search: "/x" })).toEqual(["/", "/a", "/a/x"]);
  });

  it("of more than a thousand children draws the worst and one row for the rest, until all are asked for", () => {
    const many = Array.from({ length: 10_000 }, (_, at) =>
      row(`/s/c${at}`, at % 50 === 7 ? "backoff" : at === 9_999 ? "failed" : "running"),
    );
    const shop = target("shop", [row("/"), row("/s"), ...many]);
    const lines = drawn(shop);
    expect(lines).toHaveLength(2 + 100 + 1);
    expect(lines).toContain("/s/c9999");
    expect(lines[2]).toBe("/s +9900 (101 down)");
    const all = drawn(shop, { all: new Set(["/s"]) });
    expect(all).toHaveLength(10_003);
    expect(all[2]).toBe("/s +0 (0 down)");
  });

  it("costs what changed and not what there is: a hundred changes among ten thousand rows look at a few hundred places", () => {
    const many = Array.from({ length: 10_000 }, (_, at) => row(`/s/c${at}`));
    const shop = target("shop", [row("/"), row("/s"), ...many]);
    const view = shop.view;
    if (view === null) throw new Error("no view");
    const shape = new Shape(view.topology);
    const outline = new Outline(view, shape);
    const choice = { ...CLOSED, all: new Set(["/s"]), open: new Map([["/s", true]]) };
    const change = (at: number, sequence: number) =>
      view.applyDelta({ runtime_state: [row(`/s/c${at}`, "backoff", { as_of: sequence })] });
    change(0, 1);
    const made = outline.follow(choice);
    const looks = [vi.spyOn(shape, "parent"), vi.spyOn(shape, "children"), vi.spyOn(view, "row")];
    for (let at = 1; at <= 100; at++) change(at, at + 1);
    // The lines are the same ones, so they are not made anew; only what stands in them is other.
    expect(outline.follow(choice)).toBe(made);
    expect(looks.reduce((sum, look) => sum + look.mock.calls.length, 0)).toBeLessThan(1_500);
    expect(outline.below("/")).toEqual({ total: 10_001, down: 101, worst: Rank.mending });
  });

  it("is made anew exactly when other lines are to be drawn, and its sums are those of all rows", () => {
    const paths = ["/", "/a", "/a/x", "/a/y", "/b", "/b/z", "/b/z/w"];
    const states = ["running", "backoff", "failed", "stopped", "completed", "starting", "removed"];
    // Any sequence does; this one is the same each time.
    let seed = 7;
    const any = <T>(of: readonly T[]): T => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return of[(seed >> 8) % of.length] as T;
    };
    const shop = target(
      "shop",
      paths.map((path) => row(path)),
    );
    const view = shop.view;
    if (view === null) throw new Error("no view");
    const shape = new Shape(view.topology);
    for (const choice of [CLOSED, { ...CLOSED, problemsOnly: true }]) {
      const outline = new Outline(view, shape);
      let version = outline.follow(choice);
      let lines = linesOf(outline, choice);
      let kept = 0;
      for (let step = 0; step < 500; step++) {
        view.applyDelta({ runtime_state: [row(any(paths), any(states), { as_of: undefined as never })] });
        const next = outline.follow(choice);
        const fresh = new Outline(view, shape);
        if (next === version) kept++;
        else lines = linesOf(outline, choice);
        version = next;
        const drawnNow = (all: readonly Line[]) =>
          all.map((line) => [line.path, line.is === "node" ? line.open : null]);
        expect(drawnNow(lines)).toEqual(drawnNow(linesOf(fresh, choice)));
        for (const path of paths) expect(outline.below(path)).toEqual(fresh.below(path));
        expect(view.tally.worst).toBe(Math.max(0, ...view.tally.bad.values()));
      }
      expect(kept).toBeGreaterThan(50);
    }
  });
});

describe("problems", () => {
  it("come worst first, then critical first, then the newest; a passing state is one when it lasts", () => {
    const shop = target("shop", [
      row("/"),
      row("/a", "backoff"),
      row("/b", "quarantined"),
      row("/c", "starting"),
      row("/d", "waiting"),
      row("/e", "paused"),
    ]);
    const mail = target("mail", [row("/"), row("/x", "failed")]);
    const { shown, all } = problems([shop, mail], 3, 1e18);
    expect(shown.map((one) => one.path)).toEqual(["/b", "/x", "/a"]);
    expect(all).toBe(6);
    const begun = event("/c", "ChildStarting", { state: "starting" }, { sequence: 900 });
    shop.applyEvent(begun, true);
    expect(problems([shop], 9, 1e18 + 59e9).all).toBe(4);
    expect(problems([shop], 9, 1e18 + 61e9).all).toBe(5);
  });

  it("a target that is not connected is never fine, and comes first", () => {
    const fine = target("a", [row("/"), row("/x")]);
    const down = target("b", [row("/"), row("/x", "failed")]);
    const lost = target("c", [row("/"), row("/x")], { connection_state: "unavailable" });
    const odd = target("d", [row("/"), row("/x")], { connection_state: "a_later_word" });
    expect(standing(lost)).toEqual({ is: "not_live", why: "its socket does not answer" });
    expect(standing(odd)).toEqual({ is: "not_live", why: "a_later_word" });
    expect(standing(fine)).toEqual({ is: "fine", total: 1, completed: 0 });
    expect(standing(down)).toEqual({ is: "down", down: 1, total: 1, worst: Rank.broken });
    expect(worstFirst([fine, down, lost, odd]).map((one) => one.id)).toEqual(["c", "d", "b", "a"]);
  });
});

describe("runs", () => {
  it("are told by their events: start, ready, end, back-off", () => {
    const at = (nanos: number) => ({ occurred_at_unix_nanos: nanos });
    const events = [
      event("/f", "ChildPanicked", { generation: 4, exit: { kind: "panicked", message: "m" } }, at(1)),
      event("/f", "ChildRestarting", { generation: 5 }, at(10)),
      event("/f", "ChildRestarted", { generation: 5 }, at(11)),
      event("/f", "ChildReady", { generation: 5 }, at(12)),
      event("/f", "ChildFailed", { generation: 5, exit: { kind: "failed", error: "e" } }, at(20)),
      event("/f", "BackoffScheduled", { generation: 5, delay_ms: 1 }, at(20)),
      event("/f", "ChildRestarting", { generation: 6 }, at(1_000_020)),
    ];
    expect(runs(events, 5)).toEqual([
      {
        generation: 5,
        startedAt: 10,
        readyAt: 12,
        endedAt: 20,
        ending: { kind: "failed", message: "e", place: null },
        backoffUntil: 1_000_020,
      },
      { generation: 6, startedAt: 1_000_020, readyAt: null, endedAt: null, ending: null, backoffUntil: null },
    ]);
  });

  it("begin with the live one that its row tells, when no event does", () => {
    const live = row("/f", "running", { generation: 9, started_at_unix_nanos: 5, since_unix_nanos: 7 });
    const run = { generation: 9, startedAt: 5, readyAt: 7, endedAt: null, ending: null, backoffUntil: null };
    expect(runs([], 5, live)).toEqual([run]);
    const began = event("/f", "ChildStarting", { generation: 9 }, { occurred_at_unix_nanos: 6 });
    expect(runs([began], 5, live)).toEqual([{ ...run, startedAt: 6, readyAt: null }]);
    expect(runs([], 5, row("/f", "paused", { generation: 9 }))).toEqual([]);
  });
});

describe("a run", () => {
  it("that was ended by a restart, which tells no end of it, is over when the next one begins", () => {
    const at = (nanos: number) => ({ occurred_at_unix_nanos: nanos });
    const events = [
      event("/f", "ChildStarting", { generation: 1 }, at(10)),
      event("/f", "ChildReady", { generation: 1 }, at(11)),
      event("/f", "ChildStopping", { generation: 1 }, at(20)),
      event("/f", "ChildStarting", { generation: 2 }, at(30)),
    ];
    expect(runs(events, 5).map(({ generation, endedAt, ending }) => [generation, endedAt, ending])).toEqual([
      [1, 30, null],
      [2, null, null],
    ]);
  });
});

describe("addresses", () => {
  it.each([
    { page: "fleet" },
    { page: "audit" },
    { page: "audit", query: "words=a+b%26c&who=ana" },
    { page: "charts", query: "minutes=15" },
    { page: "target", target: "shop", tab: "tree", filter: NO_FILTER, query: "problems=only" },
    { page: "target", target: "shop", tab: "tree", filter: NO_FILTER },
    { page: "target", target: "a/b c?#%<img>", tab: "audit", filter: NO_FILTER },
    { page: "child", target: "\u202eevil", path: "/a/b" },
    { page: "child", target: "shop", path: "/" },
    { page: "timeline", filter: { ...NO_FILTER, severity: ["error"], path: ["/a/b"], command: "c 1&x" } },
  ] as const)("of $page lead back to it", (route) => {
    expect(parse(href(route))).toEqual(route);
  });

  it("say what is chosen on a page, and no more", () => {
    const tree = parse("#/t/shop");
    const problems = choosing(tree, { problems: "only" });
    expect(problems.page === "lost" ? "" : href(problems)).toBe("#/t/shop?problems=only");
    expect([chosenIn(problems, "problems"), chosenIn(problems, "who"), chosenIn(tree, "problems")]).toEqual([
      "only",
      "",
      "",
    ]);
    expect(choosing(problems, { problems: "" })).toEqual(tree);
    // What is chosen in the timeline is its filter.
    const timeline = parse("#/timeline?severity=error");
    expect(choosing(timeline, { problems: "only" })).toBe(timeline);
  });

  it("that mean nothing are lost, not a crash", () => {
    for (const bad of ["#/x", "#/t", "#/t//", "#/t/%E0%A4%A", "#/t/shop/what", "#/t/shop/tree/x"]) {
      expect(parse(bad).page, bad).toBe("lost");
    }
  });

  it("hold the filter that is asked of the relay", () => {
    const filter = fromQuery(new URLSearchParams("severity=error&severity=warning&state=failed&path="));
    expect(toQuery(filter).toString()).toBe("state=failed&severity=error&severity=warning");
    expect(conditions(filter)).toEqual({
      target_ids: [],
      child_paths: [],
      lifecycle_states: ["failed"],
      event_types: [],
      severities: ["error", "warning"],
    });
    expect(conditions(NO_FILTER)).toBeNull();
  });
});

describe("times", () => {
  it.each([
    [0, "0 ms"],
    [-5, "0 ms"],
    [4_249, "4.2 s"],
    [9_949, "9.9 s"],
    [9_999, "9 s"],
    [42_400, "42 s"],
    [185_000, "3 m 5 s"],
    [180_000, "3 m"],
    [8_040_000, "2 h 14 m"],
    [273_600_000, "3 d 4 h"],
  ])("%i ms is %s", (ms, text) => {
    expect(span(ms)).toBe(text);
  });

  it("counts have gaps, and a time of another day has its date", () => {
    expect([count(9984), count(1_204_000), count(7)]).toEqual(["9\u202f984", "1\u202f204\u202f000", "7"]);
    const at = new Date(2026, 0, 2, 3, 4, 5, 6).getTime();
    expect(clock(at * 1e6, at)).toBe("03:04:05.006");
    expect(clock(at * 1e6, at + 86_400_000)).toBe("2026-01-02 03:04:05.006");
  });

  it("the relay's clock is believed; without it only a record from the future tells", () => {
    const skew = new Skew();
    skew.seen(5_000e6, 10_000);
    expect(skew.ms).toBe(0);
    skew.seen(12_000e6, 10_000);
    expect(skew.ms).toBe(2_000);
    skew.told(7_000e6, 10_000);
    skew.seen(12_000e6, 10_000);
    expect(skew.ms).toBe(-3_000);
  });
});
