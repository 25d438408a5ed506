// What waits in the inbox: in order, in slices, and never without bound.

import { beforeEach, describe, expect, it } from "vitest";
import { Inbox, MOST_WAITING, SLICE } from "../../src/conn/inbox.ts";

let clock = 0;
let turns: (() => void)[] = [];
let done: number[] = [];
let inbox: Inbox;

beforeEach(() => {
  clock = 0;
  turns = [];
  done = [];
  inbox = new Inbox({ now: () => clock, later: (then) => turns.push(then) });
});

/** Puts so many things in, each of which takes so many milliseconds. */
function put(many: number, ms: number): void {
  for (let one = 0; one < many; one++)
    inbox.put(() => {
      clock += ms;
      done.push(one);
    });
}

function turn(): void {
  turns.shift()?.();
}

const upTo = (many: number) => Array.from({ length: many }, (_, at) => at);

describe("the inbox", () => {
  it("does nothing before its turn, and all that is short in one", () => {
    put(100, 0);
    expect(done).toEqual([]);
    turn();
    expect(done).toEqual(upTo(100));
    expect(turns).toEqual([]);
  });

  it("goes on in another turn when a slice is over, in the same order", () => {
    put(64, 1);
    turn();
    expect(done.length).toBeGreaterThanOrEqual(SLICE);
    expect(done.length).toBeLessThan(64);
    while (turns.length > 0) turn();
    expect(done).toEqual(upTo(64));
  });

  it("asks for one turn however much comes", () => {
    put(50, 0);
    expect(turns).toHaveLength(1);
  });

  it("is emptied at once when too much waits", () => {
    put(MOST_WAITING + 1, 1);
    expect(done).toEqual(upTo(MOST_WAITING + 1));
  });

  it("goes on after something that fails, which is not tried again", () => {
    inbox.put(() => {
      throw new Error("it cannot be folded");
    });
    put(2, 0);
    expect(turn).toThrow("it cannot be folded");
    turn();
    expect(done).toEqual([0, 1]);
    expect(turns).toEqual([]);
  });
});
