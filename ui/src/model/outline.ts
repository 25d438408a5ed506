// What is below each supervisor, kept by each change of a row: what ten thousand rows add up to costs what changed.

import { type Change, isDown, type Rank, rankOf, Rank as Ranks } from "../fold/tally.ts";
import type { View } from "../fold/view.ts";
import type { RuntimeRow } from "../wire.ts";
import { type Choice, isCut, type Shape } from "./tree.ts";

/** What is below a node, the node itself left out. */
export interface Below {
  readonly total: number;
  readonly down: number;
  readonly worst: Rank;
}

/** The counts of one supervisor: all, those that do not run, and how many are how bad. */
interface Sum {
  total: number;
  down: number;
  readonly ranks: number[];
}

/** What is below a leaf. */
export const NOTHING: Below = { total: 0, down: 0, worst: Ranks.fine };

/** The sums over one topology of a view. */
export class Outline {
  readonly view: View;
  readonly shape: Shape;
  readonly #sums = new Map<string, Sum>();
  #mark = 0;
  #version = 0;

  constructor(view: View, shape: Shape) {
    this.view = view;
    this.shape = shape;
    this.#sumUp();
  }

  /** What is below a path, as of the last `follow`. */
  below(path: string): Below {
    const sum = this.#sums.get(path);
    return sum === undefined ? NOTHING : { total: sum.total, down: sum.down, worst: worstOf(sum) };
  }

  /**
   * Takes in what changed. Returns a number that is another one when other lines may have to be drawn than before; it
   * is the same when only the lines themselves read otherwise.
   */
  follow(choice: Choice): number {
    const changes = this.view.tally.since(this.#mark);
    if (changes === null) this.#sumUp();
    else {
      this.#mark = this.view.tally.mark;
      let other = false;
      for (const change of changes) other = this.#take(change, choice) || other;
      if (other) this.#version++;
    }
    return this.#version;
  }

  #sumUp(): void {
    this.#sums.clear();
    this.#mark = this.view.tally.mark;
    this.#version++;
    for (const row of this.view.rows.values()) this.#add(row, 1);
  }

  /** Returns whether other lines may have to be drawn. */
  #take({ before, after }: Change, choice: Choice): boolean {
    const path = after.child_path;
    const above = this.#above(path);
    const fineBefore = above.map((one) => this.below(one).worst === Ranks.fine);
    if (before !== undefined) this.#add(before, -1);
    this.#add(after, 1);
    // A branch opens by itself when something in it is not well, and closes when all is.
    if (above.some((one, at) => (this.below(one).worst === Ranks.fine) !== fineBefore[at])) return true;
    const wasFine = before === undefined || rankOf(before) === Ranks.fine;
    if (choice.problemsOnly && wasFine !== (rankOf(after) === Ranks.fine)) return true;
    const parent = above[0];
    return parent !== undefined && isCut(this.shape.children(parent), parent, choice);
  }

  #add(row: RuntimeRow, by: 1 | -1): void {
    if (row.lifecycle_state === "removed") return;
    const rank = rankOf(row);
    for (const path of this.#above(row.child_path)) {
      let sum = this.#sums.get(path);
      if (sum === undefined) this.#sums.set(path, (sum = { total: 0, down: 0, ranks: [0, 0, 0, 0] }));
      sum.total += by;
      if (isDown(row)) sum.down += by;
      sum.ranks[rank] = (sum.ranks[rank] ?? 0) + by;
    }
  }

  /** Everybody above a path, the nearest first. */
  #above(path: string): string[] {
    const all: string[] = [];
    // A target of another kind may write a circle.
    for (let at = this.shape.parent(path); at !== undefined && !all.includes(at); at = this.shape.parent(at))
      all.push(at);
    return all;
  }
}

function worstOf(sum: Sum): Rank {
  for (const rank of [Ranks.broken, Ranks.mending, Ranks.idle]) if ((sum.ranks[rank] ?? 0) > 0) return rank;
  return Ranks.fine;
}
