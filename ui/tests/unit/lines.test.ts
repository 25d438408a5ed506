import { describe, expect, it } from "vitest";
import { usedAt } from "../../src/fold/notes.ts";
import type { Entry, Target } from "../../src/fold/target.ts";
import {
  fromQuery,
  including,
  isPath,
  NO_FILTER,
  parts,
  toQuery,
  type Wanted,
  wants,
} from "../../src/model/filter.ts";
import { Lines } from "../../src/model/lines.ts";
import { event, row, target } from "./make.ts";

const ALL: Wanted = { filter: NO_FILTER, path: null, stream: null, level: null, words: "" };

const log = (message: string, severity = "info", child_path: string | null = "/db"): Entry => ({
  is: "log",
  at: 1,
  log: {
    target_id: "shop",
    sequence: 1,
    correlation_id: null,
    severity,
    message,
    fields: {},
    occurred_at_unix_nanos: 1,
    child_path,
  },
});
const ev = (path: string, type: string, payload: Record<string, unknown> = {}): Entry => ({
  is: "event",
  at: 1,
  event: event(path, type, payload),
});

/** Something happens at a time. */
function happen(on: Target, sequence: number, at: number): void {
  on.applyEvent(event("/db", "ChildReady", {}, { sequence, occurred_at_unix_nanos: at }), true);
}
const times = (lines: readonly { readonly entry: Entry }[]) => lines.map(({ entry }) => entry.at);

describe("what is wanted", () => {
  const fits = (wanted: Partial<Wanted>, entry: Entry) => wants({ ...ALL, ...wanted }, "shop", entry);

  it("obeys each condition of the filter", () => {
    const only = (key: "target" | "path" | "state" | "event" | "severity", value: string) => ({
      filter: including(NO_FILTER, key, value),
    });
    const failed = ev("/db", "ChildFailed", { state: "backoff" });
    expect([fits(only("target", "shop"), failed), fits(only("target", "mail"), failed)]).toEqual([
      true,
      false,
    ]);
    expect([fits(only("path", "/db"), failed), fits(only("path", "/d"), failed)]).toEqual([true, false]);
    expect([fits(only("state", "backoff"), failed), fits(only("state", "running"), failed)]).toEqual([
      true,
      false,
    ]);
    expect([fits(only("event", "ChildFailed"), failed), fits(only("event", "Paused"), failed)]).toEqual([
      true,
      false,
    ]);
    expect([fits(only("severity", "info"), failed), fits(only("severity", "error"), failed)]).toEqual([
      true,
      false,
    ]);
    expect(fits({ filter: { ...NO_FILTER, command: "c-1" } }, failed)).toBe(false);
  });

  it("keeps lines of logs when states or events are chosen, as the relay does, but none without the path asked for", () => {
    expect(fits({ filter: including(NO_FILTER, "state", "failed") }, log("hello"))).toBe(true);
    expect(fits({ filter: including(NO_FILTER, "event", "Paused") }, log("hello"))).toBe(true);
    expect(fits({ filter: including(NO_FILTER, "path", "/db") }, log("hello", "info", null))).toBe(false);
  });

  it("of one child is what is about it, and what is missing in its stream", () => {
    const gap = (stream: "events" | "logs"): Entry => ({ is: "gap", at: 1, stream, gap: { from: 1, to: 2 } });
    const own = { path: "/db", stream: "logs" } as const;
    expect(fits(own, log("hello"))).toBe(true);
    expect(fits(own, log("hello", "info", "/api"))).toBe(false);
    expect(fits(own, log("hello", "info", null))).toBe(false);
    expect(fits(own, ev("/db", "ChildFailed"))).toBe(false);
    expect([fits(own, gap("logs")), fits(own, gap("events"))]).toEqual([true, false]);
  });

  it("is at least as severe as the level, and has the words in it; an unknown severity is kept", () => {
    const severe = (severity: string) => fits({ level: "warning" }, log("x", severity));
    expect(["debug", "info", "warning", "error", "fatal"].map(severe)).toEqual([
      false,
      false,
      true,
      true,
      true,
    ]);
    expect([fits({ words: "ell" }, log("Hello")), fits({ words: "bye" }, log("Hello"))]).toEqual([
      true,
      false,
    ]);
  });
});

describe("the conditions of a filter", () => {
  it("are taken away one by one and stand in the address", () => {
    const filter = including(including(NO_FILTER, "state", "failed"), "path", "/db");
    expect(including(filter, "path", "/db")).toBe(filter);
    expect(parts(filter).map((one) => one.text)).toEqual(["path /db", "state failed"]);
    expect(fromQuery(toQuery(filter))).toEqual(filter);
    expect(parts(filter)[0]?.without).toEqual(including(NO_FILTER, "state", "failed"));
  });

  it.each([
    ["/", true],
    ["/a/b-c.d_e", true],
    ["/a/", false],
    ["a", false],
    ["//a", false],
    ["/..", false],
    ["/a/../b", false],
    ["/-a", false],
    [`/${"a".repeat(65)}`, false],
    ["/a".repeat(17), false],
  ])("say whether %s is a path", (text, good) => {
    expect(isPath(text)).toBe(good);
  });
});

describe("the lines of several histories", () => {
  it("stand in the order of time, the newest first, also when one comes late", () => {
    const [shop, mail] = [target("shop", [row("/")]), target("mail", [row("/")])];
    const list = new Lines(() => true);
    happen(shop, 1, 10);
    happen(mail, 1, 30);
    expect(times(list.follow([shop, mail]))).toEqual([30, 10]);
    happen(shop, 2, 20);
    happen(shop, 3, 40);
    expect(times(list.follow([shop, mail]))).toEqual([40, 30, 20, 10]);
    expect(list.taken).toBe(4);
    expect(times(list.follow([shop]))).toEqual([40, 20, 10]);
  });

  it("are the same array when nothing is new, and only what is new is looked at", () => {
    const shop = target("shop", [row("/")]);
    let looked = 0;
    const list = new Lines(() => ++looked > 0);
    for (let at = 1; at <= 1_000; at++) happen(shop, at, at);
    const first = list.follow([shop]);
    expect(list.follow([shop])).toBe(first);
    happen(shop, 1_001, 1_001);
    list.follow([shop]);
    expect(looked).toBe(1_001);
  });

  it("hold the newest, also when a history was cut before it was looked at", () => {
    const shop = target("shop", [row("/")]);
    const list = new Lines(() => true, 10);
    for (let at = 1; at <= 100; at++) {
      happen(shop, at, at);
      shop.trim(5);
      if (at % 30 === 0) list.follow([shop]);
    }
    const lines = times(list.follow([shop]));
    expect(lines).toHaveLength(10);
    expect(lines[0]).toBe(100);
    expect(lines).toEqual(lines.toSorted((a, b) => b - a));
  });
});

describe("what events tell of a child", () => {
  it("is no reason any more when its row went on without them", () => {
    const shop = target("shop", [row("/"), row("/db")]);
    const payload = { state: "backoff", next: "start_at", next_in_ms: 5_000, budget_used: 2, budget_max: 5 };
    shop.applyEvent(event("/db", "ChildFailed", payload, { sequence: 5_000 }), true);
    expect(shop.note("/db")).toMatchObject({ since: 1e18, next: "start_at" });
    shop.applyDelta({ runtime_state: [row("/db", "running", { as_of: 5_010 })] }, true);
    expect(shop.note("/db")).toMatchObject({
      since: null,
      next: null,
      cause: null,
      budgetUsed: 2,
      budgetMax: 5,
    });
  });
});

describe("what a row tells of a child of which no event was received", () => {
  const budget = { used: 2, max: 5, window_nanos: 60e9, clear_at_unix_nanos: 9e9 };
  const times = { since_unix_nanos: "7000000000", next_start_at_unix_nanos: 8e9 };

  it("is since when, until when, and how much of its budget is used", () => {
    const shop = target("shop", [row("/", "running", { budget }), row("/db", "backoff", times)]);
    expect(shop.note("/db")).toMatchObject({ state: "backoff", since: 7e9, nextAt: 8e9, startedAt: null });
    expect(shop.note("/db")).toBe(shop.note("/db"));
    const root = shop.note("/");
    expect([usedAt(root, 8e9), usedAt(root, 9e9), root?.budgetMax]).toEqual([2, 0, 5]);
  });

  it("gives way to what an event tells later", () => {
    const shop = target("shop", [row("/"), row("/db", "backoff", { ...times, as_of: 1 })]);
    const at = { sequence: 9_000, occurred_at_unix_nanos: 9e9 };
    shop.applyEvent(event("/db", "ChildRestarted", { state: "running", generation: 2 }, at), false);
    expect(shop.note("/db")).toMatchObject({ since: 9e9, startedAt: 9e9, nextAt: null });
  });

  it("is nothing when it tells nothing", () => {
    const shop = target("shop", [row("/"), row("/db", "backoff")]);
    expect(shop.note("/db")).toBeUndefined();
  });
});
