// How smooth the pages of a real relay stay while events stream in: `cargo xtask load` runs it beside its targets, and says
// where they are. RELAY is a link that lets one in once, TARGETS how many targets there are, CHILDREN how many each has.
// What else the machine does, the relay and the targets included, is measured in an empty page of the same browser; the
// bound of the design grows by it, as in the measurement without a relay.

import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { launch, open } from "../browser/browser.ts";
import { contention, frames, judged } from "./pace.ts";

const LINK = process.env["RELAY"] ?? "";
const CHILDREN = Number(process.env["TARGETS"]) * Number(process.env["CHILDREN"]);
/** For how many milliseconds each page is looked at. */
const LOOK = 10_000;

let browser: Browser;
let page: Page;
let slower = 1;
let wrong: string[] = [];

beforeAll(async () => {
  browser = await launch();
  const empty = await browser.newPage();
  slower = await contention(empty);
  await empty.close();
  ({ page, wrong } = await open(browser, LINK));
});
afterAll(() => browser.close());

/** Goes to another page of the same tab, which stays signed in. */
const go = (route: string) =>
  page.evaluate((hash) => {
    location.hash = hash;
  }, route);

/** How often what is shown has changed: a page that stands still is smooth, too. */
async function changes(of: string, during: () => Promise<void>): Promise<number> {
  await page.evaluate((selector) => {
    const seen = { changes: 0 };
    const watch = new MutationObserver(() => seen.changes++);
    for (const one of document.querySelectorAll(selector))
      watch.observe(one, { subtree: true, childList: true, characterData: true, attributes: true });
    Object.assign(window, { seen });
  }, of);
  await during();
  return page.evaluate(() => (window as unknown as { seen: { changes: number } }).seen.changes);
}

async function measure(what: string): Promise<void> {
  let spans: number[] = [];
  const seen = await changes("main", async () => {
    spans = await frames(page, LOOK);
  });
  const { at99, bound } = judged(what, spans, slower);
  expect(seen).toBeGreaterThan(0);
  expect(await page.getByText("live", { exact: true }).count()).toBeGreaterThan(0);
  expect(wrong).toEqual([]);
  expect(at99).toBeLessThan(bound);
}

describe("a real relay", () => {
  it("the fleet", async () => {
    const all = String(CHILDREN).replace(/\B(?=(\d{3})+$)/g, "\u202f");
    await page.getByText(new RegExp(`${all} children in`)).waitFor();
    await measure("fleet");
  });

  it("the tree of a target", async () => {
    await go("#/t/load-0000");
    await page.getByRole("treegrid").getByText("worker-0000").first().waitFor();
    await measure("tree");
  });

  it("the timeline", async () => {
    await go("#/timeline");
    await page.getByText("ChildRestarted").first().waitFor();
    await measure("timeline");
  });
});
