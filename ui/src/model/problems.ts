// What is broken, worst first: the answer of the first page.

import type { Note } from "../fold/notes.ts";
import { Rank } from "../fold/tally.ts";
import type { Target } from "../fold/target.ts";
import type { Node, RuntimeRow } from "../wire.ts";
import { CONNECTIONS, FLEET, STANDING } from "../text.ts";
import { count } from "./time.ts";

/** A child that is not as it should be. */
export interface Problem {
  readonly target: Target;
  readonly path: string;
  readonly row: RuntimeRow;
  readonly node: Node | undefined;
  readonly note: Note | undefined;
  readonly rank: Rank;
}

/** How a target stands, for one line. */
export type Standing =
  | { readonly is: "not_live"; readonly why: string }
  | { readonly is: "loading" }
  | { readonly is: "down"; readonly down: number; readonly total: number; readonly worst: Rank }
  | { readonly is: "fine"; readonly total: number; readonly completed: number };

/** How a target stands. What the page cannot know now is never shown as fine. */
export function standing(target: Target): Standing {
  if (target.listed.registration_state === "rejected")
    return { is: "not_live", why: CONNECTIONS["rejected"] ?? "" };
  if (target.listed.registration_state === "expired")
    return { is: "not_live", why: CONNECTIONS["expired"] ?? "" };
  if (target.connection !== "connected") {
    return { is: "not_live", why: CONNECTIONS[target.connection] ?? target.connection };
  }
  if (target.view === null) return { is: "loading" };
  const { tally } = target.view;
  const worst = tally.worst;
  if (worst === Rank.fine) return { is: "fine", total: tally.total, completed: tally.completed };
  return { is: "down", down: tally.down, total: tally.total, worst };
}

/** The sign and the words for how a target stands, the same wherever it is shown. */
export function standingSaid(target: Target): { readonly state: string; readonly word: string } {
  const stand = standing(target);
  switch (stand.is) {
    case "not_live":
      return { state: "not_live", word: FLEET.notLive };
    case "loading":
      return { state: "waiting", word: STANDING.loading };
    case "down":
      return {
        // Where nothing is broken, the sign is that of the one who does not run: paused, say.
        state: stand.worst === Rank.idle ? (worstOf(target)?.state ?? "stopped") : "degraded",
        word:
          stand.down === 0
            ? STANDING.notWell(count(stand.total))
            : STANDING.down(count(stand.down), count(stand.total)),
      };
    case "fine":
      return {
        state: stand.total > 0 && stand.completed === stand.total ? "completed" : "running",
        word: fineSaid(stand.total - stand.completed, stand.completed),
      };
  }
}

/** Who is completed does not run. */
function fineSaid(running: number, completed: number): string {
  if (completed === 0) return STANDING.all(count(running));
  return running === 0
    ? STANDING.allCompleted(count(completed))
    : STANDING.some(count(running), count(completed));
}

/** The targets, worst first; equals by name. */
export function worstFirst(targets: Iterable<Target>): Target[] {
  const keyed = [...targets].map((target) => ({ target, key: badness(standing(target)) }));
  keyed.sort(
    (a, b) => b.key[0] - a.key[0] || b.key[1] - a.key[1] || a.target.name.localeCompare(b.target.name),
  );
  return keyed.map(({ target }) => target);
}

/** The worst child of a target in a few words; of equals the one that is newest in its state. */
export function worstOf(target: Target): { readonly path: string; readonly state: string } | null {
  let worst: { path: string; row: RuntimeRow; rank: Rank; since: number } | null = null;
  for (const [path, rank] of target.view?.tally.bad ?? []) {
    if (path === "/" || (worst !== null && rank < worst.rank)) continue;
    const row = target.view?.row(path);
    const since = target.note(path)?.since ?? 0;
    if (row === undefined || (worst !== null && rank === worst.rank && since <= worst.since)) continue;
    worst = { path, row, rank, since };
  }
  if (worst === null) return null;
  return {
    path: worst.path,
    state: worst.row.lifecycle_state === "running" ? worst.row.health : worst.row.lifecycle_state,
  };
}

function badness(of: Standing): readonly [number, number] {
  switch (of.is) {
    case "not_live":
      return [5, 0];
    case "down":
      return [1 + of.worst, of.down];
    case "loading":
      return [1, 0];
    case "fine":
      return [0, 0];
  }
}

/**
 * At most `most` problems, worst first, the newest first among equals, and how many there are. A child that is only
 * starting or stopping, or that waits for another, is a problem when that lasts. `now` is in Unix nanoseconds.
 */
export function problems(
  targets: Iterable<Target>,
  most: number,
  now: number,
): { readonly shown: Problem[]; readonly all: number } {
  const shown: Problem[] = [];
  let all = 0;
  for (const target of targets) {
    for (const [path, rank] of target.view?.tally.bad ?? []) {
      const row = target.view?.row(path);
      if (row === undefined || isPassing(target, row, now)) continue;
      all++;
      // Of thousands only few are shown; the others are not even sorted.
      const last = shown.length < most ? undefined : shown.at(-1);
      if (last !== undefined && rank < last.rank) continue;
      const problem = { target, path, row, rank, node: target.view?.node(path), note: target.note(path) };
      if (last !== undefined && worstThenNewest(last, problem) <= 0) continue;
      insert(shown, problem);
      if (shown.length > most) shown.pop();
    }
  }
  return { shown, all };
}

/** Puts a problem in its place among sorted ones. */
function insert(sorted: Problem[], problem: Problem): void {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const there = sorted[middle];
    if (there !== undefined && worstThenNewest(there, problem) <= 0) low = middle + 1;
    else high = middle;
  }
  sorted.splice(low, 0, problem);
}

function worstThenNewest(a: Problem, b: Problem): number {
  return (
    b.rank - a.rank ||
    weight(b.node) - weight(a.node) ||
    (b.note?.since ?? 0) - (a.note?.since ?? 0) ||
    a.path.localeCompare(b.path)
  );
}

/** Whether what is not well passes by itself, and has not lasted. */
function isPassing(target: Target, row: RuntimeRow, now: number): boolean {
  // The root is starting for as long as somebody below is, who has a row of his own.
  if (row.child_path === "/" && row.lifecycle_state === "starting") return true;
  return PASSING.has(row.lifecycle_state) && !isLong(target.note(row.child_path), now);
}

const PASSING = new Set(["starting", "stopping", "waiting"]);
/** What passes by itself has passed after this time, in nanoseconds. */
const LONG = 60e9;

/** Whether a state has lasted; one that began before the kept history has. */
function isLong(note: Note | undefined, now: number): boolean {
  return note?.since == null || now - note.since > LONG;
}

function weight(node: Node | undefined): number {
  return node?.criticality === "critical" ? 2 : node?.criticality === "best_effort" ? 0 : 1;
}
