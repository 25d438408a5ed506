// What the events tell of a child beyond its row: why, and what happens next; and since when, if the row does not say.
//
// A target of ours says the times in the row, so they are known however long ago it was. Of another kind of target only
// events tell them; a child whose last change is older than the kept history has no `since` then. That is shown as
// unknown, never guessed.

import { isObject, nanos } from "../conn/read.ts";
import type { EventRecord, RuntimeRow } from "../wire.ts";

/** How a run ended, as far as it can be shown. */
export interface Ending {
  /** `failed`, `panicked`, … */
  readonly kind: string;
  /** What it said. */
  readonly message: string | null;
  /** Where in the source. */
  readonly place: string | null;
}

/** What is known of a child from its events. Times are Unix nanoseconds. */
export interface Note {
  readonly state: string;
  /** When it came into this state. */
  readonly since: number | null;
  /** When the live run was started. */
  readonly startedAt: number | null;
  readonly cause: string | null;
  readonly causePath: string | null;
  readonly next: string | null;
  readonly nextPath: string | null;
  /** When that happens. */
  readonly nextAt: number | null;
  /** How the last run ended that did not end well, and when. */
  readonly ending: Ending | null;
  readonly endedAt: number | null;
  readonly budgetUsed: number | null;
  /** `null`: unknown or without bound. */
  readonly budgetMax: number | null;
  /** When none of the restarts that are used counts any more; `null`: unknown. */
  readonly budgetClearAt: number | null;
  readonly requestedBy: string | null;
  readonly reason: string | null;
  readonly text: string | null;
  readonly chain: readonly string[];
  /** The last event that told it. */
  readonly sequence: number;
}

/** A number on the wire that stands for "no bound". */
export const UNBOUNDED = 4_294_967_295;

/** Events that do not begin a state; the state in them may be much older. */
const NO_CHANGE = new Set([
  "CommandAccepted",
  "CommandCompleted",
  "ChildHealthy",
  "ChildHeartbeatMissed",
  "ChildControlOperationChanged",
  "BudgetUnreachable",
  "ChildSignalled",
  "ChildReady",
  "LimitUnenforced",
  "TargetRegistered",
  "TargetUnregistered",
]);

/** Of these the cause is only that of a command; the child's own story goes on. */
const ASIDE = new Set(["CommandAccepted", "CommandCompleted", "TargetRegistered", "TargetUnregistered"]);

const STARTED = new Set(["ChildRunning", "ChildRestarted"]);

/** The note after an event. */
export function noteAfter(known: Note | undefined, event: EventRecord): Note | undefined {
  if (ASIDE.has(event.event_type)) return known;
  if (known !== undefined && event.sequence <= known.sequence) return known;
  const payload = event.payload ?? {};
  const at = nanos(event.occurred_at_unix_nanos);
  const state = text(payload["state"]) ?? known?.state ?? "";
  const sameState = known?.state === state;
  const live = state === "running" || state === "stopping" || state === "unresponsive";
  const exit = endingOf(payload["exit"]);
  const nextIn = count(payload["next_in_ms"]);
  const next = text(payload["next"]);
  const keepsStory = sameState && NO_CHANGE.has(event.event_type);
  return {
    state,
    since: sameState ? known.since : known === undefined && NO_CHANGE.has(event.event_type) ? null : at,
    startedAt: STARTED.has(event.event_type) ? at : live ? (known?.startedAt ?? null) : null,
    cause: keepsStory ? known.cause : text(payload["cause"]),
    causePath: keepsStory ? known.causePath : text(payload["cause_path"]),
    next: keepsStory ? known.next : next,
    nextPath: keepsStory ? known.nextPath : text(payload["next_path"]),
    nextAt: keepsStory ? known.nextAt : nextIn === null || at === null ? null : at + nextIn * 1e6,
    ending: exit ?? known?.ending ?? null,
    endedAt: exit === null ? (known?.endedAt ?? null) : at,
    budgetUsed: count(payload["budget_used"]) ?? known?.budgetUsed ?? null,
    budgetMax: bound(payload["budget_max"], known?.budgetMax ?? null),
    budgetClearAt: null,
    requestedBy: text(payload["requested_by"]) ?? (sameState ? known.requestedBy : null),
    reason: text(payload["reason"]) ?? (sameState ? known.reason : null),
    text: text(payload["text"]) ?? (sameState ? known.text : null),
    chain: texts(payload["chain"]) ?? (sameState ? known.chain : []),
    sequence: event.sequence,
  };
}

/** What is left of a note when the child has come into another state by an event that was not received. */
export function outdated(note: Note, state: string): Note {
  const { ending, endedAt, budgetUsed, budgetMax, budgetClearAt, sequence } = note;
  return { ...silent(state), ending, endedAt, budgetUsed, budgetMax, budgetClearAt, sequence };
}

/** A child of which no event was received. */
function silent(state: string): Note {
  return {
    state,
    since: null,
    startedAt: null,
    cause: null,
    causePath: null,
    next: null,
    nextPath: null,
    nextAt: null,
    ending: null,
    endedAt: null,
    budgetUsed: null,
    budgetMax: null,
    budgetClearAt: null,
    requestedBy: null,
    reason: null,
    text: null,
    chain: [],
    sequence: 0,
  };
}

/** A note with what the row tells by itself. A row that says since when it is so says the other times as well. */
export function withRow(note: Note | undefined, row: RuntimeRow): Note | undefined {
  const since = nanos(row.since_unix_nanos);
  const { budget } = row;
  if (since === null && budget == null) return note;
  const known = note ?? silent(row.lifecycle_state);
  return {
    ...known,
    ...(since !== null && {
      since,
      startedAt: nanos(row.started_at_unix_nanos),
      nextAt:
        nanos(row.next_start_at_unix_nanos) ?? (row.lifecycle_state === "backoff" ? null : known.nextAt),
    }),
    ...(budget != null && {
      budgetUsed: budget.used,
      budgetMax: budget.max,
      budgetClearAt: nanos(budget.clear_at_unix_nanos),
    }),
  };
}

/** How many restarts of the budget count at a time; `null`: unknown. */
export function usedAt(note: Note | undefined, now: number): number | null {
  const clear = note?.budgetClearAt ?? null;
  return clear !== null && clear <= now ? 0 : (note?.budgetUsed ?? null);
}

/** How a run ended, from an `exit`; `null` when there is none or it ended well. */
export function endingOf(exit: unknown): Ending | null {
  if (!isObject(exit))
    return typeof exit === "string" && exit !== "" ? { kind: "failed", message: exit, place: null } : null;
  const kind = text(exit["kind"]) ?? "failed";
  if (kind === "completed" || kind === "stopped" || kind === "stopped_with") return null;
  const signal = exit["signal"];
  const by = exit["by_us"] === true ? "sent by the supervisor" : "sent by somebody else";
  const message =
    typeof signal === "number"
      ? `signal ${signal}, ${by}`
      : (text(exit["error"]) ?? text(exit["message"]) ?? text(exit["what"]) ?? text(exit["why"]));
  return { kind, message, place: text(exit["location"]) };
}

function bound(value: unknown, known: number | null): number | null {
  const number = count(value);
  if (number === null) return known;
  return number === UNBOUNDED ? null : number;
}

function text(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

function texts(value: unknown): readonly string[] | null {
  return Array.isArray(value) && value.length > 0 ? value.filter((part) => typeof part === "string") : null;
}

function count(value: unknown): number | null {
  return typeof value === "number" && value >= 0 ? value : null;
}
