// The rows of a list over the histories of targets, in the order of time. Only what came since the last time is looked
// at, so that a list costs what is new in it and not what it holds.

import type { Entry, Target } from "../fold/target.ts";

/** A row, and whose it is. */
export interface Line {
  readonly from: Target;
  readonly entry: Entry;
}

/** How many of the newest a list holds. */
export const MOST = 5_000;

/** A list that follows the histories. */
export class Lines {
  readonly #wants: (from: Target, entry: Entry) => boolean;
  readonly #most: number;
  /** How much of each target's history was looked at. */
  readonly #seen = new Map<Target, number>();
  /** The oldest first; cut in large steps. */
  #lines: Line[] = [];
  #newest: readonly Line[] = [];
  #taken = 0;

  constructor(wants: (from: Target, entry: Entry) => boolean, most = MOST) {
    this.#wants = wants;
    this.#most = most;
  }

  /** How many rows were ever in the list. */
  get taken(): number {
    return this.#taken;
  }

  /** The rows, the newest first, after a look at these targets. The same array when nothing is new. */
  follow(targets: readonly Target[]): readonly Line[] {
    const left = this.#forgetOthers(targets);
    const fresh = targets.flatMap((target) => this.#since(target));
    if (fresh.length === 0 && !left) return this.#newest;
    this.#taken += fresh.length;
    this.#merge(fresh.sort((a, b) => a.entry.at - b.entry.at));
    if (this.#lines.length > this.#most * 2) this.#lines = this.#lines.slice(-this.#most);
    return (this.#newest = this.#lines.slice(-this.#most).reverse());
  }

  /** Leaves out the rows of targets that are gone. Returns whether there were such. */
  #forgetOthers(targets: readonly Target[]): boolean {
    const here = new Set(targets);
    const gone = [...this.#seen.keys()].filter((target) => !here.has(target));
    if (gone.length === 0) return false;
    for (const target of gone) this.#seen.delete(target);
    this.#lines = this.#lines.filter((line) => this.#seen.has(line.from));
    return true;
  }

  #since(from: Target): Line[] {
    const seen = this.#seen.get(from) ?? 0;
    this.#seen.set(from, from.kept);
    if (seen === from.kept) return [];
    // A target may have cut off what was not looked at yet.
    const first = Math.max(0, from.history.length - Math.min(this.#most, from.kept - seen));
    return from.history
      .slice(first)
      .filter((entry) => this.#wants(from, entry))
      .map((entry) => ({ from, entry }));
  }

  /** What is new is mostly the newest; what is not finds its place from the end. */
  #merge(fresh: readonly Line[]): void {
    const first = fresh[0];
    if (first === undefined) return;
    let at = this.#lines.length;
    while (at > 0 && (this.#lines[at - 1]?.entry.at ?? 0) > first.entry.at) at--;
    const late = this.#lines.splice(at);
    const both = late.length === 0 ? fresh : [...late, ...fresh].sort((a, b) => a.entry.at - b.entry.at);
    for (const line of both) this.#lines.push(line);
  }
}
