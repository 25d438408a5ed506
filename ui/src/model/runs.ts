// The runs of a child over the kept history: when each started, was ready, ended, and how long was waited after it.

import { nanos } from "../conn/read.ts";
import { type Ending, endingOf } from "../fold/notes.ts";
import type { EventRecord, RuntimeRow } from "../wire.ts";

/** One run. Times are Unix nanoseconds. */
export interface Run {
  readonly generation: number;
  readonly startedAt: number;
  readonly readyAt: number | null;
  readonly endedAt: number | null;
  /** `null` when it ended well or goes on. */
  readonly ending: Ending | null;
  /** When the back-off after it is over; `null` when there is none. */
  readonly backoffUntil: number | null;
}

const BEGINS = new Set(["ChildStarting", "ChildRestarting", "ChildRunning", "ChildRestarted"]);
const ENDS = new Set([
  "ChildFailed",
  "ChildPanicked",
  "ChildStartFailed",
  "ChildStopError",
  "ChildStopped",
  "ChildCompleted",
  "Paused",
  "ChildQuarantined",
  "ChildDeclined",
]);

/**
 * The last runs in the events of one child, oldest first, at most `most`. The live run is there also when its row alone
 * tells when it began.
 */
export function runs(events: Iterable<EventRecord>, most: number, row?: RuntimeRow): Run[] {
  const live = row === undefined ? null : liveRun(row);
  const all = new Map<number, Run>();
  for (const event of events) {
    const at = nanos(event.occurred_at_unix_nanos);
    const generation = event.payload?.["generation"];
    if (at === null || typeof generation !== "number" || generation === 0) continue;
    const known = all.get(generation);
    if (known === undefined) {
      if (!BEGINS.has(event.event_type)) continue;
      // A restart that was asked for tells no end of the run before, which is over all the same.
      for (const [old, run] of all) if (run.endedAt === null) all.set(old, { ...run, endedAt: at });
      all.set(generation, fresh(generation, at));
      continue;
    }
    all.set(generation, after(known, event, at));
  }
  if (live !== null && !all.has(live.generation)) all.set(live.generation, live);
  return [...all.values()].slice(-most);
}

/** The run that is on, as its row tells it; `null` when none is, or when it is not told since when. */
function liveRun(row: RuntimeRow): Run | null {
  const startedAt = nanos(row.started_at_unix_nanos);
  if (startedAt === null) return null;
  const ready = row.lifecycle_state === "running" && row.readiness === "ready";
  return { ...fresh(row.generation, startedAt), readyAt: ready ? nanos(row.since_unix_nanos) : null };
}

function fresh(generation: number, startedAt: number): Run {
  return { generation, startedAt, readyAt: null, endedAt: null, ending: null, backoffUntil: null };
}

function after(run: Run, event: EventRecord, at: number): Run {
  if (event.event_type === "ChildReady") return { ...run, readyAt: run.readyAt ?? at };
  if (event.event_type === "BackoffScheduled") {
    const delay = event.payload?.["delay_ms"] ?? event.payload?.["next_in_ms"];
    return typeof delay === "number" ? { ...run, backoffUntil: at + delay * 1e6 } : run;
  }
  if (!ENDS.has(event.event_type) || run.endedAt !== null) return run;
  return { ...run, endedAt: at, ending: endingOf(event.payload?.["exit"]) };
}
