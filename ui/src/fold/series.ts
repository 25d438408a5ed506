// How often what happened, and how many were ready, in short moments of the last hour: what charts are drawn of. It
// is kept by each event, so it costs nothing to draw however many events there were.

import type { EventRecord } from "../wire.ts";
import { endingOf } from "./notes.ts";
import { TELLS_FAILURE } from "./view.ts";

/** The length of a moment, in milliseconds. */
export const MOMENT_MS = 5_000;
/** How many moments are kept: an hour. */
export const MOMENTS = 720;

/** What one moment holds. */
interface Moment {
  events: number;
  restarts: number;
  /** Failures by the word of their `exit`. */
  readonly failures: Map<string, number>;
  /** How many were ready at its end; `null`: as in the moment before. */
  ready: number | null;
  /** Whether there were events that were not received. */
  partial: boolean;
}

/** Points to draw, the oldest first. `null` where nothing is known. */
export interface Points {
  /** The end of each point, in Unix seconds. */
  readonly at: readonly number[];
  readonly events: readonly (number | null)[];
  readonly restarts: readonly (number | null)[];
  readonly failures: ReadonlyMap<string, readonly (number | null)[]>;
  readonly ready: readonly (number | null)[];
  /** Whether in some point more happened than is counted. */
  readonly partial: boolean;
}

/** From when on it is known, or not known, what happens; a number of a moment. */
interface Turn {
  readonly at: number;
  readonly known: boolean;
}

/** The last hour of a target. Times are Unix nanoseconds. */
export class Series {
  /** Grows with every change. */
  version = 0;
  readonly #moments = new Map<number, Moment>();
  #turns: Turn[] = [];

  /** An event happened. */
  happened(event: EventRecord, at: number): void {
    const moment = this.#moment(at);
    moment.events++;
    if (event.event_type === "ChildRestarting") moment.restarts++;
    const ending = TELLS_FAILURE.has(event.event_type) ? endingOf(event.payload?.["exit"]) : null;
    if (ending !== null) moment.failures.set(ending.kind, (moment.failures.get(ending.kind) ?? 0) + 1);
  }

  /** So many are ready. */
  ready(at: number, many: number): void {
    this.#moment(at).ready = many;
  }

  /** There were events that were not received. */
  partial(at: number): void {
    this.#moment(at).partial = true;
  }

  /** From now on what happens is heard of, or not. */
  known(at: number, known: boolean): void {
    this.#turns.push({ at: number(at), known });
    if (this.#turns.length > 64) this.#turns = this.#turns.slice(-32);
    this.version++;
  }

  /** The last `points` points of `moments` moments each, up to a time in milliseconds. */
  points(untilMs: number, points: number, moments: number): Points {
    // A point ends where a moment of its length does, so that it is the same one in the next drawing.
    const last = Math.floor(Math.floor(untilMs / MOMENT_MS) / moments);
    const first = last - points + 1;
    const at = Array.from(
      { length: points },
      (_, place) => ((first + place + 1) * moments * MOMENT_MS) / 1e3,
    );
    const events: (number | null)[] = [];
    const restarts: (number | null)[] = [];
    const ready: (number | null)[] = [];
    const failures = new Map<string, (number | null)[]>();
    const begin = Math.min(...this.#moments.keys());
    let partial = false;
    let many = this.#readyBefore(first * moments);
    for (let place = 0; place < points; place++) {
      const from = (first + place) * moments;
      const sum = this.#sum(from, moments);
      many = sum.ready ?? many;
      const known = from + moments > begin && this.#isKnown(from + moments - 1);
      events.push(known || sum.events > 0 ? sum.events : null);
      restarts.push(known || sum.events > 0 ? sum.restarts : null);
      ready.push(known ? many : null);
      for (const [kind, count] of sum.failures) {
        let of = failures.get(kind);
        if (of === undefined) failures.set(kind, (of = Array.from({ length: points }, () => null)));
        of[place] = count;
      }
      partial ||= sum.partial;
    }
    return { at, events, restarts, failures, ready, partial };
  }

  #sum(from: number, many: number): Moment {
    const sum: Moment = { events: 0, restarts: 0, failures: new Map(), ready: null, partial: false };
    for (let at = from; at < from + many; at++) {
      const moment = this.#moments.get(at);
      if (moment === undefined) continue;
      sum.events += moment.events;
      sum.restarts += moment.restarts;
      sum.ready = moment.ready ?? sum.ready;
      sum.partial ||= moment.partial;
      for (const [kind, count] of moment.failures)
        sum.failures.set(kind, (sum.failures.get(kind) ?? 0) + count);
    }
    return sum;
  }

  #readyBefore(moment: number): number | null {
    let [at, ready]: [number, number | null] = [-1, null];
    for (const [key, one] of this.#moments)
      if (key < moment && key > at && one.ready !== null) [at, ready] = [key, one.ready];
    return ready;
  }

  #isKnown(moment: number): boolean {
    return this.#turns.findLast((turn) => turn.at <= moment)?.known ?? true;
  }

  #moment(at: number): Moment {
    this.version++;
    const key = number(at);
    let moment = this.#moments.get(key);
    if (moment === undefined) {
      moment = { events: 0, restarts: 0, failures: new Map(), ready: null, partial: false };
      this.#moments.set(key, moment);
      if (this.#moments.size > MOMENTS * 2) this.#forget(key - MOMENTS);
    }
    return moment;
  }

  #forget(before: number): void {
    for (const key of this.#moments.keys()) if (key < before) this.#moments.delete(key);
  }
}

/** The points of several targets together. What is not known of one of them is not counted. */
export function together(all: readonly Points[]): Points | null {
  const first = all[0];
  if (first === undefined || all.length === 1) return first ?? null;
  const failures = new Map<string, (number | null)[]>();
  for (const kind of new Set(all.flatMap((one) => [...one.failures.keys()])))
    failures.set(
      kind,
      sums(
        all.flatMap((one) => [one.failures.get(kind) ?? []]),
        first.at.length,
      ),
    );
  const of = (key: "events" | "restarts" | "ready") =>
    sums(
      all.map((one) => one[key]),
      first.at.length,
    );
  return {
    at: first.at,
    events: of("events"),
    restarts: of("restarts"),
    ready: of("ready"),
    failures,
    partial: all.some((one) => one.partial),
  };
}

function sums(lists: readonly (readonly (number | null)[])[], length: number): (number | null)[] {
  const all: (number | null)[] = Array.from({ length }, () => null);
  for (const list of lists)
    for (let at = 0; at < length; at++) {
      const value = list[at];
      if (value != null) all[at] = (all[at] ?? 0) + value;
    }
  return all;
}

function number(at: number): number {
  return Math.floor(at / 1e6 / MOMENT_MS);
}
