// Why a child is as it is, and what happens next, as sentences. The first sentence on a child's page is the answer.

import type { Ending, Note } from "../fold/notes.ts";
import type { Node, RuntimeRow } from "../wire.ts";
import { endingOf } from "../fold/notes.ts";
import { CAUSES, ENDED, nextWords, WHY } from "../text.ts";
import { span } from "./time.ts";

/** The answer: `lead` because `because`: `quote` at `place`. Then `next`. */
export interface Answer {
  readonly lead: string;
  readonly because: string | null;
  /** What the run, or the operator, said; shown in a fixed-width face. */
  readonly quote: string | null;
  readonly place: string | null;
  readonly next: string | null;
}

/** A child as far as it is known. `now` is the targets' time in Unix nanoseconds. */
export interface Case {
  readonly row: RuntimeRow;
  readonly node: Node | undefined;
  readonly note: Note | undefined;
  readonly now: number;
}

type Because = Pick<Answer, "because" | "quote" | "place">;
const NOTHING: Because = { because: null, quote: null, place: null };

/** The answer for a child. */
export function why(of: Case): Answer {
  const { row, note } = of;
  const next = nextOf(of);
  const because = becauseOf(of);
  switch (row.lifecycle_state) {
    case "running":
      return { ...running(of), next };
    case "backoff": {
      const left = leftOf(of);
      return { lead: WHY.backoff(left, row.attempt + 1), ...because, next: null };
    }
    case "waiting":
      return { lead: WHY.waiting(note?.nextPath ?? null), ...NOTHING, next };
    case "starting":
      return {
        lead: WHY.starting(row.attempt),
        ...(row.attempt > 0 ? because : NOTHING),
        next,
      };
    case "stopping": {
      const grace = row.shutdown_state === "stopping" ? WHY.killing : WHY.stopping;
      return { lead: grace, ...because, next };
    }
    case "unresponsive":
      return {
        lead: WHY.unresponsive,
        ...because,
        next: WHY.unresponsiveNext,
      };
    case "quarantined":
      return {
        lead: WHY.quarantined,
        ...quarantine(of),
        next: next ?? nextWords("until_operator", null, null),
      };
    case "paused":
      return { lead: WHY.paused(by(note)), ...said(note), next: nextWords("until_operator", null, null) };
    case "failed":
      return { lead: WHY.failed, ...because, next: next ?? timed(of) };
    case "completed":
      return { lead: WHY.completed, ...NOTHING, next: timed(of) };
    case "stopped":
      return { lead: WHY.stopped(by(note)), ...because, next: null };
    case "declared":
      return { lead: WHY.declared, ...declared(of), next: next ?? timed(of) };
    case "removed":
      return { lead: WHY.removed(by(note)), ...said(note), next: null };
    default:
      return { lead: row.lifecycle_state, ...because, next };
  }
}

/** The answer as one line of text, for a table and for reading aloud. */
export function line(answer: Answer): string {
  const quote = answer.quote === null ? "" : answer.because === null ? answer.quote : `: ${answer.quote}`;
  const place = answer.place === null ? "" : ` at ${answer.place}`;
  return `${answer.because ?? ""}${quote}${place}`;
}

function running({ row }: Case): Omit<Answer, "next"> {
  if (row.health === "unhealthy") return { ...NOTHING, lead: WHY.unhealthy };
  if (row.health === "stale") return { ...NOTHING, lead: WHY.stale };
  if (row.health === "degraded") return { ...NOTHING, lead: WHY.degraded };
  if (row.readiness === "not_ready") return { ...NOTHING, lead: WHY.notReady };
  return { ...NOTHING, lead: WHY.running };
}

function becauseOf({ row, note }: Case): Because {
  if (note?.cause === "operator") return said(note);
  const other = note?.causePath ?? null;
  const ending = note?.ending ?? endingOf(row.last_failure);
  const ownEnd =
    note === undefined || note.cause === null || note.cause === "exit" || note.cause === "report";
  if (
    ending !== null &&
    (ownEnd || note.cause === "backoff" || note.cause === "deadline" || note.cause === "heartbeat")
  ) {
    return ended(ending);
  }
  const cause = note?.cause == null ? null : (CAUSES[note.cause] ?? null);
  if (cause === null) return { ...NOTHING, quote: note?.text ?? null };
  return { because: other === null ? cause : `${cause} (${other})`, quote: note?.text ?? null, place: null };
}

function ended(ending: Ending): Because {
  return {
    because: ENDED[ending.kind] ?? WHY.endedOtherwise(ending.kind),
    quote: ending.message,
    place: ending.place,
  };
}

function quarantine({ row, note }: Case): Because {
  if (note?.cause === "operator") {
    return {
      because: WHY.askedFor(note.requestedBy),
      quote: note.reason,
      place: null,
    };
  }
  const ending = note?.ending ?? endingOf(row.last_failure);
  const used = WHY.exhausted(note?.budgetMax ?? null);
  return {
    because: ending === null ? used : WHY.lastTime(used, ENDED[ending.kind] ?? ending.kind),
    quote: ending?.message ?? null,
    place: ending?.place ?? null,
  };
}

function declared({ node, note }: Case): Because {
  const unbound = node?.diagnostics?.["unbound"];
  if (unbound !== undefined) return { because: unbound, quote: null, place: null };
  return { ...NOTHING, quote: note?.text ?? null };
}

/** When the next run of a job is that has a schedule. */
function timed({ node }: Case): string | null {
  const text = node?.diagnostics?.["schedule"];
  return text === undefined ? null : `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

function by(note: Note | undefined): string {
  return note?.requestedBy == null ? "" : WHY.by(note.requestedBy);
}

function said(note: Note | undefined): Because {
  return { ...NOTHING, quote: note?.reason ?? null };
}

/** How long until what is next; empty when that time has come, `null` when it is unknown. */
function leftOf({ note, now }: Case): string | null {
  if (note?.nextAt == null) return null;
  const left = (note.nextAt - now) / 1e6;
  return left <= 0 ? "" : span(left);
}

function nextOf(of: Case): string | null {
  const note = of.note;
  const decision = of.row.last_policy_decision;
  const next = note?.next ?? (typeof decision === "string" ? decision : null);
  if (next === null) return null;
  return nextWords(next, leftOf(of) || null, note?.nextPath ?? null);
}
