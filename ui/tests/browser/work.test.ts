// How much work a flood of events is for the page, in counts: what is drawn, and how often. How long it takes tells of
// the machine too; that is measured elsewhere (`npm run measure`).

import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { four, happened, inCrowd } from "../fake/events.ts";
import { crowd, many } from "../fake/scenes.ts";

const EVENTS = 2_000;
const TARGETS = 20;

/** What a page did since it is watched: how often it changed what is shown, and the most rows there were. */
interface Work {
  drawings: number;
  rows: number;
}
import { stage } from "./browser.ts";

const on = stage();

/** Watches a page from now on. What is changed at one time is one drawing. */
async function watch(page: Page, rows: string): Promise<() => Promise<Work>> {
  await page.evaluate((rows) => {
    const work: Work = { drawings: 0, rows: 0 };
    const look = () => (work.rows = Math.max(work.rows, document.querySelectorAll(rows).length));
    look();
    new MutationObserver(() => {
      work.drawings++;
      look();
    }).observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true });
    Object.assign(window, { work });
  }, rows);
  return () => page.evaluate(() => (window as unknown as { work: Work }).work);
}

describe("a flood of events is drawn in far fewer drawings than events, and only what is in sight", () => {
  it("in a tree of ten thousand rows", async () => {
    const page = await on.show(
      { role: "operator", actors: [many("search-3", 10_000, Date.now())] },
      "#/t/search-3",
    );
    await page.getByRole("button", { name: "Show all" }).click();
    const first = page.getByRole("row").filter({ hasText: "worker-0001" });
    await first.getByText("running").waitFor();
    const work = await watch(page, "[role=row]");
    for (let one = 0; one < EVENTS; one++)
      on.relay.say(happened("search-3", `/sessions/worker-${four(2 + (one % 9_998))}`, 100_000 + one));
    on.relay.say(happened("search-3", "/sessions/worker-0001", 100_000 + EVENTS, "quarantined"));
    await first.getByText("quarantined").waitFor();
    const { drawings, rows } = await work();
    expect(drawings).toBeLessThan(EVENTS / 4);
    expect(rows).toBeLessThan(60);
  });

  it("in the fleet", async () => {
    const page = await on.show(crowd(TARGETS, 100, Date.now()), "");
    await page.getByText("2\u202f000 children in 20 targets").waitFor();
    const work = await watch(page, "li");
    for (let one = 0; one < EVENTS; one++) on.relay.say(inCrowd(one, TARGETS, 100));
    on.relay.say({ type: "connection_state", target_id: "node-019", state: "unavailable" });
    await page
      .getByText(/NOT LIVE[\s\S]*node-019/)
      .first()
      .waitFor();
    const { drawings, rows } = await work();
    expect(drawings).toBeLessThan(EVENTS / 4);
    expect(rows).toBeLessThan(60);
  });

  it("in the timeline of the fleet", async () => {
    const page = await on.show(crowd(TARGETS, 100, Date.now()), "#/timeline");
    const list = page.getByRole("list", { name: "Timeline" });
    await list.getByText("ChildRunning").first().waitFor();
    const work = await watch(page, "[role=listitem]");
    for (let one = 0; one < EVENTS; one++) on.relay.say(inCrowd(one, TARGETS, 100));
    on.relay.say(happened("node-019", "/worker-0099", 2 + EVENTS / TARGETS, "quarantined"));
    await list.getByText("/worker-0099").first().waitFor();
    const { drawings, rows } = await work();
    expect(drawings).toBeLessThan(EVENTS / 4);
    expect(rows).toBeLessThan(80);
  });
});
