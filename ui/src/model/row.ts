// What a child's row says in the few words there is room for, the same in the table and in the drawing.

import { type Ending, endingOf, type Note } from "../fold/notes.ts";
import { Rank, rankOf } from "../fold/tally.ts";
import type { Node, RuntimeRow } from "../wire.ts";
import { failureWord, ROW } from "../text.ts";
import type { Below } from "./outline.ts";
import { count, shortSpan } from "./time.ts";
import { line, why } from "./why.ts";

/** The state to show: of a supervisor that runs it is how those below it are. */
export function stateWord(row: RuntimeRow | undefined, below: Below): string {
  if (row === undefined) return "declared";
  if (row.lifecycle_state !== "running") return row.lifecycle_state;
  if (below.worst > Rank.idle && below.total > 0) return "degraded";
  return rankOf(row) === Rank.fine ? "running" : row.health;
}

/** What stands beside the state. `now` is the targets' time in Unix nanoseconds. */
export function beside(
  row: RuntimeRow | undefined,
  note: Note | undefined,
  below: Below,
  now: number,
): string {
  if (row === undefined) return "";
  if (row.lifecycle_state === "backoff") {
    const left = note?.nextAt == null ? null : (note.nextAt - now) / 1e6;
    return ROW.restart(row.attempt + 1, left === null ? null : left <= 0 ? "" : shortSpan(left + 999));
  }
  if (below.total > 0)
    return below.down === 0 ? ROW.below(count(below.total)) : ROW.down(count(below.down), count(below.total));
  return row.lifecycle_state === "running" && row.readiness === "not_ready" ? ROW.notReady : "";
}

/** Why it is as it is; of one that is well, how it last failed. */
export function because(
  row: RuntimeRow | undefined,
  node: Node | undefined,
  note: Note | undefined,
  now: number,
): string {
  if (row === undefined) return "";
  if (row.lifecycle_state === "quarantined" && note?.cause !== "operator") {
    // What failed is what is looked for; there is not room for the whole sentence.
    const said = failed(note?.ending ?? endingOf(row.last_failure));
    return [said, ROW.exhausted(note?.budgetMax ?? null)].filter((part) => part !== "").join(" · ");
  }
  if (rankOf(row) !== Rank.fine) {
    const answer = why({ row, node, note, now });
    return line(answer) || (row.lifecycle_state === "waiting" ? answer.lead : "");
  }
  return failed(endingOf(row.last_failure));
}

function failed(ending: Ending | null): string {
  if (ending === null) return "";
  return [failureWord(ending.kind), ending.message, ending.place].filter((part) => part !== null).join(" · ");
}
