// How many children are in which state, and which of them are not as they should be, kept by each change of a row, so
// that nothing looks at ten thousand rows to draw one line.

import type { RuntimeRow } from "../wire.ts";

/** How bad a row is. The order is the order in which an operator wants to see them. */
export const Rank = { fine: 0, idle: 1, mending: 2, broken: 3 } as const;
export type Rank = (typeof Rank)[keyof typeof Rank];

/** How bad each state is; an unknown one is shown among those that do not run. */
const RANKS: Readonly<Record<string, Rank>> = {
  running: Rank.fine,
  completed: Rank.fine,
  removed: Rank.fine,
  declared: Rank.idle,
  waiting: Rank.idle,
  starting: Rank.idle,
  stopping: Rank.idle,
  stopped: Rank.idle,
  paused: Rank.idle,
  backoff: Rank.mending,
  failed: Rank.broken,
  quarantined: Rank.broken,
  unresponsive: Rank.broken,
};

/**
 * How bad a row is. A supervisor that runs is `degraded` when somebody below is not well; that somebody has a row of
 * its own, so the supervisor counts as fine.
 */
export function rankOf(row: Pick<RuntimeRow, "lifecycle_state" | "health">): Rank {
  const rank = Object.hasOwn(RANKS, row.lifecycle_state) ? RANKS[row.lifecycle_state] : undefined;
  if (rank === undefined) return Rank.idle;
  const ailing = row.health === "unhealthy" || row.health === "stale";
  return rank === Rank.fine && row.lifecycle_state === "running" && ailing ? Rank.mending : rank;
}

/** Whether a row counts as not running: it should run, or could, and does not. */
export function isDown(row: Pick<RuntimeRow, "lifecycle_state">): boolean {
  return !["running", "completed", "removed"].includes(row.lifecycle_state);
}

/** A row became another one, and counts otherwise than before. */
export interface Change {
  readonly before: RuntimeRow | undefined;
  readonly after: RuntimeRow;
}

/** How many changes are kept for those who follow them. */
const KEPT = 8_192;

/** Counts over the rows of a target, the root left out. */
export class Tally {
  /** Children in the tree. */
  total = 0;
  /** Children that do not run. */
  down = 0;
  /** Children that are completed. */
  completed = 0;
  /** Children that are ready. */
  ready = 0;
  readonly #bad = new Map<string, Rank>();
  readonly #ranks = [0, 0, 0, 0];
  #changes: Change[] = [];
  /** How many changes are no longer kept. */
  #gone = 0;

  /** The paths that are not as they should be, the root among them. */
  get bad(): ReadonlyMap<string, Rank> {
    return this.#bad;
  }

  /** How bad the worst row is. */
  get worst(): Rank {
    for (const rank of [Rank.broken, Rank.mending, Rank.idle]) if ((this.#ranks[rank] ?? 0) > 0) return rank;
    return Rank.fine;
  }

  /** Where `since` goes on. */
  get mark(): number {
    return this.#gone + this.#changes.length;
  }

  /** What changed since a mark; `null` when that is no longer known, and everything has to be looked at. */
  since(mark: number): readonly Change[] | null {
    return mark < this.#gone ? null : this.#changes.slice(mark - this.#gone);
  }

  clear(): void {
    this.total = this.down = this.completed = this.ready = 0;
    this.#bad.clear();
    this.#ranks.fill(0);
    // One more than there were: nobody has followed this.
    this.#forget(this.#changes.length);
    this.#gone++;
  }

  /** A row became another one. */
  change(before: RuntimeRow | undefined, after: RuntimeRow): void {
    if (before !== undefined) this.#count(before, -1);
    this.#count(after, 1);
    const rank = rankOf(after);
    if (rank === Rank.fine) this.#bad.delete(after.child_path);
    else this.#bad.set(after.child_path, rank);
    if (before !== undefined && countsAlike(before, after)) return;
    this.#changes.push({ before, after });
    if (this.#changes.length > KEPT * 2) this.#forget(KEPT);
  }

  #forget(many: number): void {
    this.#changes.splice(0, many);
    this.#gone += many;
  }

  #count(row: RuntimeRow, by: 1 | -1): void {
    const rank = rankOf(row);
    this.#ranks[rank] = (this.#ranks[rank] ?? 0) + by;
    if (row.child_path === "/" || row.lifecycle_state === "removed") return;
    this.total += by;
    if (isDown(row)) this.down += by;
    if (row.lifecycle_state === "completed") this.completed += by;
    if (row.readiness === "ready") this.ready += by;
  }
}

function countsAlike(a: RuntimeRow, b: RuntimeRow): boolean {
  const gone = (row: RuntimeRow) => row.lifecycle_state === "removed";
  return rankOf(a) === rankOf(b) && isDown(a) === isDown(b) && gone(a) === gone(b);
}
