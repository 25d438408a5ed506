// How smooth a page is: how long its frames take, and how much of that is the machine's.

import type { Page } from "playwright-core";

/** 99 of 100 frames come within so many milliseconds, on a machine that does nothing else. */
const BOUND = 100;
/** Nothing excuses a longer one. */
const FROZEN = 400;

/** How long the frames of the next milliseconds are, the shortest first. */
export async function frames(page: Page, ms: number): Promise<number[]> {
  const spans = await page.evaluate(
    (until) =>
      new Promise<number[]>((done) => {
        const all: number[] = [];
        const began = performance.now();
        let last = began;
        const next = (now: number) => {
          all.push(now - last);
          last = now;
          if (now - began < until) requestAnimationFrame(next);
          else done(all);
        };
        requestAnimationFrame(next);
      }),
    ms,
  );
  return spans.slice(1).toSorted((a, b) => a - b);
}

/** How many times longer a piece of work takes on the average than when nothing else runs. */
export async function contention(page: Page): Promise<number> {
  const spans = await page.evaluate(async () => {
    const all: number[] = [];
    const text = JSON.stringify(Array.from({ length: 20_000 }, (_, at) => ({ at, path: `/worker-${at}` })));
    for (let turn = 0; turn < 100; turn++) {
      const began = performance.now();
      JSON.parse(text);
      all.push(performance.now() - began);
      await new Promise((next) => setTimeout(next, 5));
    }
    return all;
  });
  // The first turns are those of a compiler that warms up.
  const sorted = spans.slice(10).toSorted((a, b) => a - b);
  return sorted.reduce((sum, one) => sum + one, 0) / sorted.length / (sorted[0] ?? 1);
}

const at99 = (spans: readonly number[]) => spans[Math.floor(spans.length * 0.99)] ?? Infinity;

/** Prints what was measured. Gives the time within which 99 of 100 frames came, and what it is to be below. */
export function judged(
  what: string,
  spans: readonly number[],
  slower: number,
): { at99: number; bound: number } {
  process.stdout.write(
    `${what}: ${spans.length} frames, 99 of 100 within ${at99(spans).toFixed(0)} ms, the longest ${spans.at(-1)?.toFixed(0)} ms; machine ${slower.toFixed(1)} times slower\n`,
  );
  return { at99: at99(spans), bound: Math.min(FROZEN, BOUND * slower) };
}
