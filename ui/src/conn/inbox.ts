// What the socket told and was not looked at yet. A flood is worked off in short slices, between which the browser can
// draw and hear the reader; nothing is left out and nothing overtakes.

/** How long a slice lasts, in milliseconds. */
export const SLICE = 8;
/**
 * How much may wait. Beyond it everything is worked off at once: then the browser takes nothing more from the network,
 * and the relay sees that this page is slow.
 */
export const MOST_WAITING = 2_000;

/** The clock that slices are measured by, and a way to go on after others had their turn. */
export interface Turns {
  now(): number;
  later(then: () => void): void;
}

export class Inbox {
  readonly #turns: Turns;
  #waiting: (() => void)[] = [];
  /** The next of those that wait. */
  #next = 0;
  #called = false;

  constructor(turns: Turns) {
    this.#turns = turns;
  }

  /** Takes something to be done when it is its turn. */
  put(what: () => void): void {
    this.#waiting.push(what);
    if (this.#waiting.length - this.#next > MOST_WAITING) this.#work(Infinity);
    else this.#call();
  }

  #call(): void {
    if (this.#called) return;
    this.#called = true;
    this.#turns.later(() => {
      this.#called = false;
      try {
        this.#work(this.#turns.now() + SLICE);
      } finally {
        if (this.#next < this.#waiting.length) this.#call();
      }
    });
  }

  #work(until: number): void {
    while (this.#next < this.#waiting.length) {
      // It counts as done also when it throws, or it would be tried for ever.
      this.#waiting[this.#next++]?.();
      if (this.#next % 16 === 0 && this.#turns.now() >= until) return;
    }
    this.#waiting = [];
    this.#next = 0;
  }
}

/** The browser's turns. A message to oneself comes after what is due, and also where the page is not seen. */
export function turns(): Turns {
  const { port1, port2 } = new MessageChannel();
  let then: () => void = () => undefined;
  port1.onmessage = () => then();
  return {
    now: () => performance.now(),
    later(next) {
      then = next;
      port2.postMessage(null);
    },
  };
}
