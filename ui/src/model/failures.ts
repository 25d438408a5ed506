// How the runs of a child ended that did not end well, the newest first.

import { nanos } from "../conn/read.ts";
import { type Ending, endingOf } from "../fold/notes.ts";
import { TELLS_FAILURE } from "../fold/view.ts";
import type { EventRecord } from "../wire.ts";

/** One failure. */
export interface Failure {
  /** When, in Unix nanoseconds. */
  readonly at: number;
  /** Which run it was; `null` when the target does not say. */
  readonly run: number | null;
  readonly ending: Ending;
  /** How long the run lasted, in milliseconds. */
  readonly ranMs: number | null;
  readonly sequence: number;
}

/** The failures among the events of one child. */
export function failures(events: readonly EventRecord[]): Failure[] {
  return events
    .flatMap((event): Failure[] => {
      const payload = event.payload ?? {};
      const ending = TELLS_FAILURE.has(event.event_type) ? endingOf(payload["exit"]) : null;
      if (ending === null) return [];
      const [run, ran] = [payload["generation"], payload["ran_ms"]];
      return [
        {
          at: nanos(event.occurred_at_unix_nanos) ?? 0,
          run: typeof run === "number" ? run : null,
          ending,
          ranMs: typeof ran === "number" ? ran : null,
          sequence: event.sequence,
        },
      ];
    })
    .reverse();
}
