// What a row tells beyond the contract: since when it is so, when its run began, when the next does, its process, its
// budget. The same rule as `Moments` of the Rust `api` crate, so that a page that folds events has what the target has.

import { nanos } from "../conn/read.ts";
import type { EventRecord, RuntimeRow } from "../wire.ts";

const KEYS = [
  "since_unix_nanos",
  "started_at_unix_nanos",
  "next_start_at_unix_nanos",
  "pid",
  "last_heartbeat_unix_nanos",
  "phase",
  "budget",
  "usage",
  "poll_times",
] as const;

type More = Partial<Pick<RuntimeRow, (typeof KEYS)[number]>>;
type Stage = Pick<RuntimeRow, "lifecycle_state" | "generation" | "health">;

const LIVE = new Set(["starting", "running", "stopping", "unresponsive"]);

/** Whether a row as of the same event tells other things beyond the contract. */
export function tellsOther(a: RuntimeRow, b: RuntimeRow): boolean {
  return KEYS.some((key) => a[key] !== b[key] && JSON.stringify(a[key]) !== JSON.stringify(b[key]));
}

/** A row with what another tells beyond the contract. */
export function withMore(row: RuntimeRow, other: RuntimeRow): RuntimeRow {
  const bare = Object.entries(row).filter(([key]) => !KEYS.some((one) => one === key));
  const more = KEYS.flatMap((key) => (other[key] == null ? [] : [[key, other[key]]]));
  return Object.fromEntries([...bare, ...more]) as RuntimeRow;
}

/** The same after an event. Of a row that does not say since when it is so, nothing is made up. */
export function moreAfter(before: RuntimeRow | undefined, after: Stage, event: EventRecord): More {
  const since = before?.since_unix_nanos;
  if (before === undefined || since == null) return {};
  const at = nanos(event.occurred_at_unix_nanos);
  const sameRun = before.generation === after.generation;
  const stays = sameRun && before.lifecycle_state === after.lifecycle_state;
  const live = LIVE.has(after.lifecycle_state);
  const startedAt = live ? startOf(before, after, at) : null;
  const next = after.lifecycle_state === "backoff" ? nextOf(before, event, at, stays) : null;
  const well = sameRun && after.lifecycle_state === "running" && after.health === "healthy";
  return {
    ...given("since_unix_nanos", stays ? since : at),
    ...given("started_at_unix_nanos", startedAt),
    ...given("next_start_at_unix_nanos", next),
    ...given("pid", sameRun && live ? before.pid : null),
    ...given("usage", sameRun && live ? before.usage : null),
    ...given("poll_times", sameRun && live ? before.poll_times : null),
    ...given("last_heartbeat_unix_nanos", well ? before.last_heartbeat_unix_nanos : null),
    ...given("budget", before.budget),
  };
}

/** When the run of a live child began. */
function startOf(
  before: RuntimeRow,
  after: Stage,
  at: number | null,
): RuntimeRow["started_at_unix_nanos"] | null {
  if (before.generation !== after.generation) return at;
  // The run is over, and the one that is wanted has not begun.
  if (after.lifecycle_state === "starting" && before.lifecycle_state !== "starting") return null;
  return before.started_at_unix_nanos ?? null;
}

/** When a child in back-off is to be started. */
function nextOf(
  before: RuntimeRow,
  event: EventRecord,
  at: number | null,
  stays: boolean,
): RuntimeRow["next_start_at_unix_nanos"] | null {
  const { next, next_in_ms: left } = event.payload ?? {};
  const starts = next === "start_at" || next === "start_with_group";
  if (starts && typeof left === "number" && at !== null) return at + left * 1e6;
  return stays ? (before.next_start_at_unix_nanos ?? null) : null;
}

function given<K extends keyof More>(key: K, value: More[K] | null): More {
  return value == null ? {} : { [key]: value };
}
