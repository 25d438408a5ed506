// A browser, and what every page in it must keep to.

import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import axe from "axe-core";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";

import { FakeRelay } from "../fake/relay.ts";
import type { Scene } from "../fake/scenes.ts";

const OUT = fileURLToPath(new URL("../out/", import.meta.url));

/** How long something may take to appear, in milliseconds. */
const PATIENCE = 60_000;

export function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
}

/** A page that remembers whatever went wrong in it: errors, refusals of the policy, requests to elsewhere. */
export async function open(
  browser: Browser,
  address: string,
  options: BrowserContextOptions = {},
): Promise<{ page: Page; wrong: string[] }> {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 800 },
    // What is on its way to a colour has another contrast than what is there.
    reducedMotion: "reduce",
    ...options,
  });
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  const wrong: string[] = [];
  page.on("pageerror", (error) => wrong.push(String(error)));
  page.on("console", (message) => {
    // A connection that is refused while the relay is away is what these tests are about.
    if (message.type() === "error" && !/WebSocket|ERR_CONNECTION|status of 403/.test(message.text()))
      wrong.push(message.text());
  });
  page.on("request", (request) => {
    if (new URL(request.url()).origin !== new URL(address).origin && !request.url().startsWith("blob:"))
      wrong.push(request.url());
  });
  await page.goto(address);
  return { page, wrong };
}

/** A browser for the tests of a file, and for each of them a fake relay and a page. */
export interface Stage {
  readonly browser: Browser;
  /** The relay of this test, once something is shown. */
  readonly relay: FakeRelay;
  /** Starts a relay with a scene, after something was done `before` to it, and opens a page of it. */
  show(scene: Scene, route?: string, before?: (relay: FakeRelay) => void): Promise<Page>;
}

/** Sets a stage up, which is cleared after each test. A test in whose page something went wrong fails. */
export function stage(): Stage {
  let browser: Browser;
  let relay: FakeRelay;
  let page: Page;
  let wrong: string[];
  beforeAll(async () => {
    browser = await launch();
  });
  afterAll(() => browser.close());
  afterEach(async ({ task }) => {
    if (task.result?.state === "fail") await picture(page, `failed ${task.name}`.slice(0, 60));
    await page.context().close();
    await relay.kill();
    expect(wrong).toEqual([]);
  });
  return {
    get browser() {
      return browser;
    },
    get relay() {
      return relay;
    },
    async show(scene, route = "", before) {
      relay = new FakeRelay(scene);
      before?.(relay);
      await relay.start();
      ({ page, wrong } = await open(browser, relay.address + route));
      return page;
    },
  };
}

/** Lets the page draw what has changed: what is folded before a frame is shown after it. */
export function drawn(page: Page): Promise<void> {
  return page.evaluate(
    () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done()))),
  );
}

/** What axe finds wrong in a page, or only in its colours, in one line each. */
export async function accessibility(page: Page, only?: "colours"): Promise<string[]> {
  // The policy refuses an inline script, so axe comes in through the debugger.
  await page.evaluate(axe.source);
  const found = await page.evaluate(async (colours) => {
    const run = (globalThis as unknown as { axe: typeof axe }).axe;
    const result = await run.run(document, {
      runOnly: colours
        ? { type: "rule", values: ["color-contrast"] }
        : ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    });
    return result.violations.map(({ id, help, nodes }) => ({
      id,
      help,
      nodes: nodes.map((node) => `${node.target.join(" ")} ${node.failureSummary ?? ""}`),
    }));
  }, only === "colours");
  return found.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.slice(0, 3).join(" | ")}`);
}

/** Keeps a picture. */
export async function picture(page: Page, name: string): Promise<void> {
  mkdirSync(OUT, { recursive: true });
  await page.screenshot({ path: `${OUT}${name}.png` });
}
