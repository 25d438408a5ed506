// What the fake relay shows: targets made of recorded lines, and made-up ones for size, loss and bad intent.

import { readFileSync } from "node:fs";
import type { AuditRow, DashboardState, EventRecord, ListedTarget, RuntimeRow } from "../../src/wire.ts";
import { event, listed, row, state } from "../unit/make.ts";

/** Something to be said, so many milliseconds after the beginning. */
export interface Said {
  readonly atMs: number;
  readonly message: Readonly<Record<string, unknown>>;
}

/** A target of a scene. */
export interface Actor {
  readonly listed: ListedTarget;
  readonly state: DashboardState | null;
  readonly said: readonly Said[];
}

/** What there is to see. */
export interface Scene {
  readonly actors: readonly Actor[];
  readonly role: string;
  /** What the relay's audit holds, the newest last. Absent: it cannot be asked, as that of the relay inside a run. */
  readonly past?: readonly AuditRow[];
}

const RECORDED = new URL("./recorded/payments.jsonl", import.meta.url);

/** The recorded target, its times moved so that the state was read at `now`. */
export function payments(now: number): Actor {
  const text = readFileSync(RECORDED, "utf8").trimEnd();
  const began = (JSON.parse(text.slice(0, text.indexOf("\n"))) as { unix_ms: number }).unix_ms;
  const moved = text.replace(
    /("[a-z_]+_unix_nanos":)(\d+)/g,
    (_, key: string, nanos: string) =>
      `${key}${BigInt(nanos) + BigInt(Math.round(now - began)) * 1_000_000n}`,
  );
  const lines = moved
    .split("\n")
    .map((line) => JSON.parse(line) as { at_ms: number; line: Record<string, unknown> });
  const first = lines[0]?.line["result"] as { state: DashboardState };
  const given = { ...first.state, target: { ...first.state.target, connection_state: "connected" as const } };
  const said = lines.slice(1).map(({ at_ms, line }) => ({ atMs: at_ms, message: line }));
  return { listed: listed("payments-worker-a"), state: given, said };
}

/** A healthy target with so many children. */
export function healthy(id: string, children: number, now: number, under = ""): Actor {
  const began = (now - 8_040_000) * 1e6;
  const parent = under === "" ? [] : [row(under)];
  const rows = Array.from({ length: children }, (_, at) =>
    row(`${under}/worker-${String(at).padStart(4, "0")}`),
  );
  const root = event(
    "/",
    "ChildRunning",
    { budget_used: 0, budget_max: 20, cause: "start" },
    at(id, 1, now - 8_040_000),
  );
  const health = {
    alive: true,
    state: "alive",
    started_at_unix_nanos: began,
    last_observed_at_unix_nanos: began,
  } as never;
  const made = state(id, [row("/"), ...parent, ...rows], { recent_events: [root], health });
  return { listed: listed(id), state: made, said: [] };
}

/** A target in which everything happened hours ago: no event of it is kept, and the rows alone tell since when. */
export function longAgo(id: string, now: number): Actor {
  const hours = (ago: number) => (now - ago * 3_600_000) * 1e6;
  const rows = [
    row("/", "running", {
      since_unix_nanos: hours(30),
      started_at_unix_nanos: hours(30),
      budget: { used: 3, max: 5, window_nanos: 36e12, clear_at_unix_nanos: hours(-6) },
    }),
    row("/feed", "backoff", {
      attempt: 3,
      last_failure: { kind: "failed", error: "the disk is full" },
      since_unix_nanos: hours(2.5),
      next_start_at_unix_nanos: hours(-1.52),
    }),
    row("/web", "running", {
      generation: 4,
      pid: 4_711,
      since_unix_nanos: hours(5.5),
      started_at_unix_nanos: hours(5.5),
    }),
    row("/mail", "paused", { since_unix_nanos: hours(26) }),
  ];
  const made = state(id, rows);
  const nodes = made.topology.nodes.map((one) =>
    one.path === "/" ? { ...one, node_type: "supervisor", strategy: "rest_for_one", dynamic: false } : one,
  );
  return { listed: listed(id), state: { ...made, topology: { ...made.topology, nodes } }, said: [] };
}

/** A target whose relay has lost it. */
export function lost(id: string, now: number): Actor {
  const actor = healthy(id, 14, now);
  const kept = actor.state && { ...actor.state, generated_at_unix_nanos: (now - 42_000) * 1e6 };
  return { ...actor, state: kept, listed: listed(id, { connection_state: "unavailable" }) };
}

/** A supervisor with many children of which some are not well. */
export function many(id: string, children: number, now: number): Actor {
  const actor = healthy(id, children, now, "/sessions");
  const events: EventRecord[] = [];
  const worse = (one: RuntimeRow, place: number): RuntimeRow => {
    if (place % 97 !== 5) return one;
    const sequence = events.length + 2;
    const exit = { kind: "failed", error: `peer ${place} closed the connection` };
    const payload = {
      state: "backoff",
      attempt: 2,
      next: "start_at",
      next_in_ms: 600_000,
      exit,
      budget_used: 2,
      budget_max: 50,
    };
    events.push(
      event(one.child_path, "ChildFailed", payload, {
        ...at(id, sequence, now - place * 50),
        severity: "warning",
      }),
    );
    return {
      ...one,
      lifecycle_state: "backoff",
      attempt: 2,
      restart_count: 2,
      readiness: "unreported",
      last_failure: exit,
      as_of: sequence,
    };
  };
  const rows = (actor.state?.runtime_state ?? []).map(worse);
  return {
    ...actor,
    state: actor.state && { ...actor.state, runtime_state: rows, recent_events: events.slice(-128) },
  };
}

/** Names and texts of bad intent. */
export function hostile(now: number): Actor {
  const id = "<img src=x onerror=alert(1)> \u202egnp.exe";
  const rows = [row("/"), row("/__proto__", "failed"), row("/constructor", "quarantined"), row("/toString")];
  // As deep and as long as names may be.
  let deep = "";
  for (let depth = 0; depth < 16; depth++) {
    deep += `/${String(depth).padEnd(64, "x")}`;
    rows.push(row(deep, depth === 15 ? "backoff" : "running"));
  }
  const exit = { kind: "panicked", message: "</script><script>alert(1)</script>", location: "<b>src</b>:1" };
  const failed = event(
    "/__proto__",
    "ChildPanicked",
    { state: "failed", exit, next: "until_operator" },
    { ...at(id, 9, now - 5_000), severity: "error" },
  );
  return { listed: listed(id), state: state(id, rows, { recent_events: [failed] }), said: [] };
}

/** Many targets with many children each. */
export function crowd(targets: number, children: number, now: number): Scene {
  const id = (at: number) => `node-${String(at).padStart(3, "0")}`;
  return {
    role: "operator",
    actors: Array.from({ length: targets }, (_, at) => healthy(id(at), children, now)),
  };
}

/** The fleet of the first page. */
export function fleet(now: number): Scene {
  return {
    role: "admin",
    actors: [
      payments(now),
      lost("orders-worker-b", now),
      healthy("search-1", 212, now),
      healthy("search-2", 212, now),
      healthy("mail-gw", 9, now),
    ],
  };
}

function at(target_id: string, sequence: number, ms: number): Partial<EventRecord> {
  return { target_id, sequence, occurred_at_unix_nanos: Math.round(ms) * 1e6 };
}
