// A target's state, kept current by what is pushed. The same rules as `TreeView` of the Rust `api` crate, tested
// against the same fixtures.
//
// A state is a cut: it holds everything up to some event, and what is pushed later is folded over it. Each row says by
// `as_of` which event is its last, so whatever arrives twice, or late, or both as an event and as a row, is folded
// once. A row without `as_of` (another kind of target) is always taken. One as of the same event
// is taken for what events do not tell: a budget, a process.

import { isObject } from "../conn/read.ts";
import { moreAfter, tellsOther, withMore } from "./moments.ts";
import { Tally } from "./tally.ts";
import type {
  DashboardState,
  EventRecord,
  LogRecord,
  Node,
  RuntimeRow,
  StateDelta,
  Stream,
  TargetInfo,
  Topology,
} from "../wire.ts";

export type { Stream };

/** How many events, and how many lines of logs, a state holds. */
export const RECENT = 128;

/** Records that were not received: the first and the last lost sequence. */
export interface Gap {
  readonly from: number;
  readonly to: number;
}

/** The words of the events that tell a failure of the child. */
export const TELLS_FAILURE: ReadonlySet<string> = new Set([
  "ChildFailed",
  "ChildPanicked",
  "ChildStartFailed",
  "ChildStopError",
]);

/** A target's state, and what is missing in it. */
export class View {
  #head: Omit<DashboardState, "runtime_state" | "topology" | "recent_events" | "recent_logs">;
  #target: TargetInfo;
  #topology: Topology;
  readonly #rows = new Map<string, RuntimeRow>();
  readonly #nodes = new Map<string, Node>();
  readonly #events: EventRecord[];
  readonly #logs: LogRecord[];
  readonly #lost: Record<Stream, Gap | null> = { events: null, logs: null };
  /** How many rows are in which state. */
  readonly tally = new Tally();

  /** A view that begins with this state. Of several rows for one path the newest stays. */
  constructor(state: DashboardState) {
    const { runtime_state, topology, recent_events, recent_logs, ...head } = state;
    this.#head = head;
    this.#target = head.target;
    this.#topology = topology;
    this.#events = [...(recent_events ?? [])];
    this.#logs = [...(recent_logs ?? [])];
    this.#replaceRows(runtime_state);
  }

  get target(): TargetInfo {
    return this.#target;
  }

  get topology(): Topology {
    return this.#topology;
  }

  /** What the target said of itself when the state was read. */
  get health(): DashboardState["health"] {
    return this.#head.health;
  }

  get configVersion(): string {
    return this.#head.config_version;
  }

  /** The rows, in the order in which they came. */
  get rows(): ReadonlyMap<string, RuntimeRow> {
    return this.#rows;
  }

  row(path: string): RuntimeRow | undefined {
    return this.#rows.get(path);
  }

  node(path: string): Node | undefined {
    return this.#nodes.get(path);
  }

  get recentEvents(): readonly EventRecord[] {
    return this.#events;
  }

  get recentLogs(): readonly LogRecord[] {
    return this.#logs;
  }

  get dropped(): { readonly events: number; readonly logs: number } {
    return { events: this.#head.dropped_event_count ?? 0, logs: this.#head.dropped_log_count ?? 0 };
  }

  /** What was lost of a stream since the last whole state, from the first record to the last. */
  gap(stream: Stream): Gap | null {
    return this.#lost[stream];
  }

  /** The whole state, as it stands on the wire. */
  state(): DashboardState {
    const nodes = this.#topology.nodes.map((node) => this.#nodes.get(node.path) ?? node);
    return {
      ...this.#head,
      target: this.#target,
      topology: { ...this.#topology, nodes },
      runtime_state: [...this.#rows.values()],
      recent_events: this.#events,
      recent_logs: this.#logs,
    };
  }

  /**
   * Folds an event: its payload is the row after it. A row whose child was removed stays, `removed`, until a topology
   * comes without it.
   * Returns whether anything changed.
   */
  applyEvent(event: EventRecord): boolean {
    const row = this.#foldEvent(event);
    const remembered = this.#rememberEvent(event);
    return row || remembered;
  }

  applyLog(log: LogRecord): boolean {
    return this.#rememberLog(log);
  }

  /**
   * Folds a change of the state. One that brings a topology older than the view's is taken for its rows only, each by
   * its own age.
   */
  applyDelta(delta: StateDelta): boolean {
    const generation = given(delta.state_generation);
    const old = generation !== undefined && generation < this.#head.state_generation;
    const topology = given(delta.topology);
    const rows = given(delta.runtime_state) ?? [];
    let changed = false;
    if (topology !== undefined && !old) {
      this.#topology = topology;
      this.#replaceRows(rows);
      changed = true;
    } else {
      for (const row of rows) changed = this.#upsert(row) || changed;
    }
    for (const event of given(delta.recent_events) ?? []) changed = this.#rememberEvent(event) || changed;
    for (const log of given(delta.recent_logs) ?? []) changed = this.#rememberLog(log) || changed;
    if (!old) changed = this.#applyHead(delta) || changed;
    return changed;
  }

  setConnection(state: TargetInfo["connection_state"]): boolean {
    if (this.#target.connection_state === state) return false;
    this.#target = { ...this.#target, connection_state: state };
    return true;
  }

  setDropped(events: number | null | undefined, logs: number | null | undefined): boolean {
    const head = {
      ...this.#head,
      dropped_event_count: events ?? this.#head.dropped_event_count ?? 0,
      dropped_log_count: logs ?? this.#head.dropped_log_count ?? 0,
    };
    const changed =
      head.dropped_event_count !== this.#head.dropped_event_count ||
      head.dropped_log_count !== this.#head.dropped_log_count;
    this.#head = head;
    return changed;
  }

  /** Notes records that will never come. */
  noteGap(stream: Stream, gap: Gap): void {
    const old = this.#lost[stream];
    this.#lost[stream] = old ? { from: Math.min(old.from, gap.from), to: Math.max(old.to, gap.to) } : gap;
  }

  #applyHead(delta: StateDelta): boolean {
    let changed = this.setDropped(delta.dropped_event_count, delta.dropped_log_count);
    const connection = given(delta.connection_state);
    if (connection !== undefined) changed = this.setConnection(connection) || changed;
    const generation = given(delta.state_generation);
    if (generation !== undefined && generation !== this.#head.state_generation) {
      this.#head = { ...this.#head, state_generation: generation };
      changed = true;
    }
    return changed;
  }

  /** All rows are these, but that a row which is newer in the view stays. The topology is new too. */
  #replaceRows(rows: readonly RuntimeRow[]): void {
    this.#nodes.clear();
    for (const node of this.#topology.nodes) this.#nodes.set(node.path, node);
    const old = new Map(this.#rows);
    this.#rows.clear();
    this.tally.clear();
    for (const row of rows) {
      const known = old.get(row.child_path);
      this.#upsert(known === undefined ? row : (newest(known, row) ?? known));
    }
  }

  /** Takes the row if it is newer than the one there is, or tells more. */
  #upsert(row: RuntimeRow): boolean {
    const known = this.#rows.get(row.child_path);
    const next = known === undefined ? row : newest(known, row);
    if (next === null) return false;
    this.#put(next);
    return true;
  }

  #put(row: RuntimeRow): void {
    this.tally.change(this.#rows.get(row.child_path), row);
    this.#rows.set(row.child_path, row);
    const node = this.#nodes.get(row.child_path);
    if (node !== undefined && node.state_summary !== row.lifecycle_state) {
      this.#nodes.set(row.child_path, { ...node, state_summary: row.lifecycle_state });
    }
  }

  /** Folds the row in an event if it is newer than the one there is. */
  #foldEvent(event: EventRecord): boolean {
    const news = newsOf(event);
    if (news === null) return false;
    const known = this.#rows.get(event.target_path);
    if (known !== undefined && !isNewer(event.sequence, known.as_of)) return false;
    this.#put(rowAfter(event, news, known));
    return true;
  }

  #rememberEvent(event: EventRecord): boolean {
    const last = this.#events.at(-1);
    if (last !== undefined && event.sequence <= last.sequence) return false;
    remember(this.#events, event);
    return true;
  }

  #rememberLog(log: LogRecord): boolean {
    const sequence = given(log.sequence);
    const last = this.#logs.findLast((known) => given(known.sequence) !== undefined)?.sequence;
    const had =
      sequence !== undefined
        ? typeof last === "number" && sequence <= last
        : this.#logs.some((known) => same(known, log));
    if (!had) remember(this.#logs, log);
    return !had;
  }
}

/** The part of a row that an event's payload tells. */
type News = Pick<
  RuntimeRow,
  "lifecycle_state" | "health" | "readiness" | "generation" | "attempt" | "restart_count"
>;

/** `null` when the payload is not one of ours. */
function newsOf(event: EventRecord): News | null {
  const { state, health, readiness, generation, attempt, restart_count } = event.payload ?? {};
  if (typeof state !== "string" || typeof health !== "string" || typeof readiness !== "string") return null;
  if (!isCount(generation) || !isCount(attempt) || !isCount(restart_count)) return null;
  return { lifecycle_state: state, health, readiness, generation, attempt, restart_count };
}

function rowAfter(event: EventRecord, news: News, known: RuntimeRow | undefined): RuntimeRow {
  const payload = event.payload ?? {};
  const exit = isObject(payload["exit"]) ? payload["exit"] : null;
  // A child that was removed and added again under the same path is another one.
  const fresh = event.event_type === "ChildDeclarationAccepted";
  const before = fresh ? undefined : known;
  const failed = exit !== null && TELLS_FAILURE.has(event.event_type);
  const killing = event.event_type === "ChildKilling" || known?.shutdown_state === "stopping";
  return {
    child_path: event.target_path,
    ...news,
    child_start_count: news.attempt,
    last_failure: !fresh && failed ? exit : (before?.last_failure ?? null),
    last_policy_decision:
      !fresh && exit !== null ? (payload["next"] ?? null) : (before?.last_policy_decision ?? null),
    shutdown_state: shutdownState(news.lifecycle_state, killing) ?? known?.shutdown_state ?? "running",
    as_of: event.sequence,
    ...moreAfter(before, news, event),
  };
}

/** How far a stop is in a state; `undefined` in one that is unknown. */
function shutdownState(state: string, killing: boolean): RuntimeRow["shutdown_state"] | undefined {
  switch (state) {
    case "unresponsive":
      return "stopping";
    case "stopping":
      return killing ? "stopping" : "requested";
    case "declared":
    case "waiting":
    case "starting":
    case "running":
    case "backoff":
      return "running";
    case "stopped":
    case "completed":
    case "failed":
    case "paused":
    case "quarantined":
    case "removed":
      return "completed";
    default:
      return undefined;
  }
}

/** Whether a row as of `next` replaces one as of `old`. What does not say how old it is counts as new. */
function isNewer(next: number | null | undefined, old: number | null | undefined): boolean {
  return typeof next !== "number" || typeof old !== "number" || next > old;
}

/**
 * The row that holds when one comes where another is; `null` when nothing is new in it. One that is as old tells only
 * what no event does.
 */
function newest(known: RuntimeRow, row: RuntimeRow): RuntimeRow | null {
  if (typeof row.as_of !== "number" || typeof known.as_of !== "number") return same(known, row) ? null : row;
  if (row.as_of !== known.as_of) return row.as_of > known.as_of ? row : null;
  return tellsOther(known, row) ? withMore(known, row) : null;
}

function remember<T>(known: T[], record: T): void {
  if (known.length >= RECENT) known.splice(0, known.length - RECENT + 1);
  known.push(record);
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && value >= 0;
}

function given<T>(value: T | null | undefined): T | undefined {
  return value ?? undefined;
}
