// Times and spans as an operator reads them.

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A span of milliseconds in at most two units: `12 ms`, `0.2 s`, `4.2 s`, `42 s`, `3 m 5 s`, `2 h 14 m`, `3 d 4 h`. */
export function span(ms: number): string {
  const at = Math.max(0, ms);
  if (at < 100) return `${Math.round(at)} ms`;
  if (at < 9_950) return `${(Math.round(at / 100) / 10).toFixed(1)} s`;
  if (at < MINUTE) return `${Math.floor(at / SECOND)} s`;
  if (at < HOUR) return two(at, MINUTE, "m", SECOND, "s");
  if (at < DAY) return two(at, HOUR, "h", MINUTE, "m");
  return two(at, DAY, "d", HOUR, "h");
}

/** A span in one unit, for where there is little room: `42 s`, `3 m`, `2 h`, `3 d`. */
export function shortSpan(ms: number): string {
  const at = Math.max(0, ms);
  if (at < MINUTE) return `${Math.floor(at / SECOND)} s`;
  if (at < HOUR) return `${Math.floor(at / MINUTE)} m`;
  if (at < DAY) return `${Math.floor(at / HOUR)} h`;
  return `${Math.floor(at / DAY)} d`;
}

/** How old something is. What is younger than a second is not told apart: it would only flicker. */
export function ageOf(ms: number): string {
  return ms < 1_000 ? "< 1 s" : span(ms);
}

function two(ms: number, big: number, bigWord: string, small: number, smallWord: string): string {
  const rest = Math.floor((ms % big) / small);
  const head = `${Math.floor(ms / big)} ${bigWord}`;
  return rest === 0 ? head : `${head} ${rest} ${smallWord}`;
}

/** A time of day with milliseconds, `14:04:51.204`, in the zone of the browser; with the date when it is another day. */
export function clock(unixNanos: number, nowMs: number): string {
  const at = new Date(unixNanos / 1e6);
  const pad = (value: number, width = 2) => String(value).padStart(width, "0");
  const time = `${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}.${pad(at.getMilliseconds(), 3)}`;
  const day = `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())}`;
  const today = new Date(nowMs);
  return at.toDateString() === today.toDateString() ? time : `${day} ${time}`;
}

/** A time in full, for where it is looked up. */
export function full(unixNanos: number): string {
  return new Date(unixNanos / 1e6).toISOString();
}

/** A count with thin gaps between its thousands: `9 984`. */
export function count(value: number): string {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+(?!\d))/g, "\u202f");
}

/**
 * How far the targets' clock is from the browser's, in milliseconds. A relay that says its time is believed; otherwise
 * a record from the future shows that the browser is behind by at least so much.
 */
export class Skew {
  #told = false;
  #ms = 0;

  /** What to add to the browser's time to have the targets'. */
  get ms(): number {
    return this.#ms;
  }

  told(relayNanos: number, nowMs: number): void {
    this.#told = true;
    this.#ms = relayNanos / 1e6 - nowMs;
  }

  seen(recordNanos: number, nowMs: number): void {
    const ahead = recordNanos / 1e6 - nowMs;
    if (!this.#told && ahead > this.#ms && ahead > 0) this.#ms = ahead;
  }
}

/** Bytes in a unit that keeps them short: `512 B`, `640 KiB`, `612 MiB`, `3.5 GiB`. */
export function bytes(value: number): string {
  const at = Math.max(0, value);
  if (at < 1024) return `${Math.round(at)} B`;
  if (at < 2 ** 20) return `${Math.floor(at / 1024)} KiB`;
  if (at < 2 ** 30) return `${Math.floor(at / 2 ** 20)} MiB`;
  return `${(Math.floor((at / 2 ** 30) * 10) / 10).toFixed(1)} GiB`;
}
