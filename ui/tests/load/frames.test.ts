// How smooth the page stays while 5 000 events come in each second: a measurement, `npm run measure`, and no part of the
// tests. What else the machine does is measured in the same run, in the same page before anything comes: the same piece
// of work is done again and again, and the bound of the design grows by as much as it takes longer on the average than
// the quickest time, but never beyond what a reader would call frozen.

import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { four, happened, inCrowd } from "../fake/events.ts";
import { crowd, many } from "../fake/scenes.ts";
import { stage } from "../browser/browser.ts";
import { contention, frames, judged } from "./pace.ts";

const PER_SECOND = 5_000;
const BURSTS = 40;

const on = stage();

/** Lets events come in, and says how long frames are before and meanwhile. */
async function measure(page: Page, next: (sequence: number) => Record<string, unknown>): Promise<void> {
  const slower = await contention(page);
  const began = Date.now();
  const running = frames(page, 4_000);
  let sequence = 100_000;
  for (let burst = 1; burst <= BURSTS; burst++) {
    for (let one = 0; one < PER_SECOND / 10; one++) on.relay.say(next(++sequence));
    await new Promise((passed) => setTimeout(passed, Math.max(0, began + burst * 100 - Date.now())));
  }
  const rate = Math.round((BURSTS * PER_SECOND) / 10 / ((Date.now() - began) / 1_000));
  const spans = await running;
  const { at99, bound } = judged(`${rate} events/s`, spans, slower);
  expect(at99).toBeLessThan(bound);
}

describe("five thousand events in a second do not freeze", () => {
  it("a tree of ten thousand rows, all drawn, whose children come and go", async () => {
    const page = await on.show(
      { role: "operator", actors: [many("search-3", 10_000, Date.now())] },
      "#/t/search-3",
    );
    await page.getByRole("button", { name: "Show all" }).click();
    await measure(page, (sequence) =>
      happened("search-3", `/sessions/worker-${four(sequence % 10_000)}`, sequence),
    );
    // What was said last is what is shown.
    await expect.poll(() => page.getByRole("treegrid").innerText()).toMatch(/back-off/);
  });

  it("the fleet of 200 targets with 500 children each", async () => {
    const page = await on.show(crowd(200, 500, Date.now()), "");
    await page.getByText("100\u202f000 children in 200 targets").waitFor();
    await measure(page, inCrowd);
  });

  it("the timeline of that fleet", async () => {
    const page = await on.show(crowd(200, 500, Date.now()), "#/timeline");
    await page.getByText("ChildRunning").first().waitFor();
    await measure(page, inCrowd);
  });
});
