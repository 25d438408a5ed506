// One target as the page knows it: its state, what its events tell beyond it, the kept history, and how old all this is.

import { nanos } from "../conn/read.ts";
import type {
  DashboardState,
  EventRecord,
  ListedTarget,
  LogRecord,
  RuntimeRow,
  StateDelta,
  Token,
} from "../wire.ts";
import { type Note, noteAfter, outdated, withRow } from "./notes.ts";
import { Series } from "./series.ts";
import { type Gap, type Stream, View } from "./view.ts";

/** A row of the kept history. `at` is in Unix nanoseconds. */
export type Entry =
  | { readonly is: "event"; readonly at: number; readonly event: EventRecord }
  | { readonly is: "log"; readonly at: number; readonly log: LogRecord }
  | { readonly is: "gap"; readonly at: number; readonly stream: Stream; readonly gap: Gap }
  | { readonly is: "connection"; readonly at: number; readonly state: string }
  | { readonly is: "restarted"; readonly at: number };

/** The width of a bar of restarts, in milliseconds, and how many are kept. */
export const BAR_MS = 20_000;
export const BARS = 15;

/** A target. */
export class Target {
  listed: ListedTarget;
  view: View | null = null;
  /** When it was last heard of, in milliseconds of the page's clock; `null`: never. */
  heardAt: number | null = null;
  /** Grows with every change of anything here. */
  version = 0;
  /** The kept history in the order in which it came, oldest first. */
  readonly history: Entry[] = [];
  /** How many rows were ever kept, those that were cut off since among them. */
  kept = 0;
  /** What happened in each of the last hour's moments, to be drawn. */
  readonly series = new Series();
  readonly #notes = new Map<string, Note>();
  /** What a row and a note were put together to, so that the same is the same object. */
  readonly #together = new WeakMap<
    RuntimeRow,
    { readonly of: Note | undefined; readonly note: Note | undefined }
  >();
  readonly #last: Record<Stream, number | null> = { events: null, logs: null };
  readonly #restarts = new Map<number, number>();
  #counted = 0;
  #drawn: { readonly last: number; readonly counted: number; readonly bars: readonly number[] } | null = null;
  #epoch: Token | null = null;

  constructor(listed: ListedTarget) {
    this.listed = listed;
  }

  get id(): string {
    return this.listed.target_id;
  }

  get name(): string {
    return this.listed.display_name.trim() === "" ? this.id : this.listed.display_name;
  }

  /** How the relay's connection to it is. */
  get connection(): string {
    return this.listed.connection_state;
  }

  /**
   * What its row and the events tell of a child. When its row has gone on without them, as behind a filter, events still
   * tell of its budget and its last end, but no longer why, and what is next.
   */
  note(path: string): Note | undefined {
    const of = this.#notes.get(path);
    const row = this.view?.row(path);
    if (row === undefined) return of;
    const known = this.#together.get(row);
    if (known !== undefined && known.of === of) return known.note;
    const passed = of !== undefined && row.lifecycle_state !== of.state;
    const note = withRow(passed ? outdated(of, row.lifecycle_state) : of, row);
    this.#together.set(row, { of, note });
    return note;
  }

  /** Restarts in each of the last bars, the oldest first, at a time in milliseconds. The same array when it is the same. */
  restarts(nowMs: number): readonly number[] {
    const last = Math.floor(nowMs / BAR_MS);
    if (this.#drawn?.last !== last || this.#drawn.counted !== this.#counted) {
      const bars = Array.from({ length: BARS }, (_, at) => this.#restarts.get(last - BARS + 1 + at) ?? 0);
      this.#drawn = { last, counted: this.#counted, bars };
    }
    return this.#drawn.bars;
  }

  /**
   * Takes a whole state. `epoch` names the life of the target; in another one its sequences begin anew. A relay that
   * names it sends all that follows upon the last record that was had, so only a stream without one begins with what
   * the state holds.
   */
  replace(state: DashboardState, filtered: boolean, epoch?: Token | null): void {
    const named = epoch != null;
    const again = named && this.#epoch !== null ? epoch !== this.#epoch : this.#wentBack(state);
    this.#epoch = epoch ?? null;
    if (again) this.#forget(nanos(state.generated_at_unix_nanos) ?? 0, named);
    this.view = new View(state);
    const { events, logs } = this.#last;
    if (!named || events === null)
      for (const event of state.recent_events ?? []) this.#keepEvent(event, filtered);
    if (!named || logs === null) for (const log of state.recent_logs ?? []) this.#keepLog(log, filtered);
    // How many are ready is known of this moment, not of those of the events that led to it.
    this.#countReady(nanos(state.generated_at_unix_nanos));
    this.version++;
  }

  /** Another life begins, all of which follows. */
  begin(epoch: Token, at: number): void {
    if (epoch === this.#epoch) return;
    this.#epoch = epoch;
    this.#forget(at, true);
    this.#last.events = this.#last.logs = 0;
    this.version++;
  }

  applyEvent(event: EventRecord, filtered: boolean): void {
    this.view?.applyEvent(event);
    this.#keepEvent(event, filtered);
    this.#countReady(nanos(event.occurred_at_unix_nanos));
    if (filtered) this.series.partial(nanos(event.occurred_at_unix_nanos) ?? 0);
    this.version++;
  }

  applyLog(log: LogRecord, filtered: boolean): void {
    this.view?.applyLog(log);
    this.#keepLog(log, filtered);
    this.version++;
  }

  applyDelta(delta: StateDelta, filtered: boolean): void {
    this.view?.applyDelta(delta);
    for (const event of delta.recent_events ?? []) this.#keepEvent(event, filtered);
    for (const log of delta.recent_logs ?? []) this.#keepLog(log, filtered);
    if (delta.connection_state != null) this.setConnection(delta.connection_state, null);
    this.version++;
  }

  /** The relay's connection to it changed, at a time in Unix nanoseconds if that is to be kept. */
  setConnection(state: string, at: number | null): void {
    if (this.listed.connection_state === state) return;
    this.listed = { ...this.listed, connection_state: state };
    this.view?.setConnection(state);
    if (at !== null) this.series.known(at, state === "connected");
    if (at !== null) this.#keep({ is: "connection", at, state });
    this.version++;
  }

  setDropped(events: number, logs: number | null | undefined): void {
    this.view?.setDropped(events, logs);
    this.version++;
  }

  /** Records that will never come. */
  noteGap(stream: Stream, gap: Gap, at: number): void {
    this.view?.noteGap(stream, gap);
    this.#keep({ is: "gap", at, stream, gap });
    if (stream === "events") this.series.partial(at);
    this.#last[stream] = Math.max(this.#last[stream] ?? 0, gap.to);
    this.version++;
  }

  /** What comes next may follow upon anything: a filter was changed, so what was skipped is not known to be lost. */
  skip(): void {
    this.#last.events = this.#last.logs = null;
  }

  /** Keeps at most `bound` rows of history; cut in large steps, so that it costs nothing per row. */
  trim(bound: number): void {
    if (this.history.length > bound * 2) this.history.splice(0, this.history.length - bound);
  }

  #keep(entry: Entry): void {
    this.history.push(entry);
    this.kept++;
  }

  /** Whether a state tells that the target was started again, when nothing names its life. */
  #wentBack(state: DashboardState): boolean {
    const newest = state.recent_events?.at(-1)?.sequence ?? null;
    const known = this.#last.events;
    return known !== null && newest !== null && newest < known && isYounger(state, this.view);
  }

  /** Another life has begun; when all of it `follows`, then of each stream of which something was had. */
  #forget(at: number, follows: boolean): void {
    this.#notes.clear();
    for (const stream of ["events", "logs"] as const)
      this.#last[stream] = follows && this.#last[stream] !== null ? 0 : null;
    this.#keep({ is: "restarted", at });
  }

  #keepEvent(event: EventRecord, filtered: boolean): void {
    const at = nanos(event.occurred_at_unix_nanos) ?? 0;
    if (!this.#isNew("events", event.sequence, at, filtered)) return;
    this.#keep({ is: "event", at, event });
    this.series.happened(event, at);
    const note = noteAfter(this.#notes.get(event.target_path), event);
    if (event.event_type === "ChildRuntimeStateRemoved") this.#notes.delete(event.target_path);
    else if (note !== undefined) this.#notes.set(event.target_path, note);
    if (event.event_type === "ChildRestarting") this.#countRestart(at / 1e6);
  }

  #keepLog(log: LogRecord, filtered: boolean): void {
    const at = nanos(log.occurred_at_unix_nanos) ?? 0;
    if (typeof log.sequence === "number" && !this.#isNew("logs", log.sequence, at, filtered)) return;
    this.#keep({ is: "log", at, log });
  }

  /** Whether a record was not had yet. Sequences have no holes, so one that is skipped is a gap, unless a filter skips. */
  #isNew(stream: Stream, sequence: number, at: number, filtered: boolean): boolean {
    const last = this.#last[stream];
    if (last !== null && sequence <= last) return false;
    if (last !== null && sequence > last + 1 && !filtered) {
      this.noteGap(stream, { from: last + 1, to: sequence - 1 }, at);
    }
    this.#last[stream] = sequence;
    return true;
  }

  #countReady(at: number | null): void {
    if (at !== null && this.view !== null) this.series.ready(at, this.view.tally.ready);
  }

  #countRestart(atMs: number): void {
    const bar = Math.floor(atMs / BAR_MS);
    this.#counted++;
    this.#restarts.set(bar, (this.#restarts.get(bar) ?? 0) + 1);
    if (this.#restarts.size > BARS * 2) {
      for (const old of this.#restarts.keys()) if (old < bar - BARS) this.#restarts.delete(old);
    }
  }
}

/** Whether a state is of a later run of the target than the view. */
function isYounger(state: DashboardState, view: View | null): boolean {
  const began = (health: DashboardState["health"]) => nanos(health?.started_at_unix_nanos);
  const [before, now] = [began(view?.health), began(state.health)];
  // A target that does not say is believed: its sequences went back.
  return before === null || now === null || before !== now;
}
