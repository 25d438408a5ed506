// A relay of its own before two runs, all of them the real binary: what an operator reads while the relay dies and comes
// back, while a target hangs, and in the audit that outlives both.

import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { accessibility, launch, open, picture } from "./browser.ts";
import { Relay } from "./stack.ts";

/** What the design promises: a page is live again so long after its relay is, in milliseconds. */
const LIVE_WITHIN = 5_000;

const stack = (name: string) => `
version: 1
name: ${name}
children:
  - name: web
    kind: process
    command: [sleep, "100000"]
  - name: mailer
    kind: process
    command: [sleep, "100000"]
`;

let browser: Browser;
let relay: Relay;
let page: Page;
let wrong: string[] = [];

beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser.close());
beforeEach(async () => {
  relay = new Relay();
  await relay.start();
  for (const name of ["shop", "bank"]) relay.run(name, stack(name));
  ({ page, wrong } = await open(browser, relay.address));
  await page.getByLabel("Token").fill(relay.token);
  await page.getByLabel("Token").press("Enter");
  await page.getByText("4 children in 2 targets").waitFor();
  await page.getByText("Everything runs").waitFor();
});
afterEach(async ({ task }) => {
  if (task.result?.state === "fail") await picture(page, `failed ${task.name}`.slice(0, 60));
  await page.context().close();
  await relay.clear();
  expect(wrong).toEqual([]);
});

const target = (name: string) => page.getByRole("row").filter({ hasText: name });
const list = () => page.getByRole("list", { name: "Audit" });

/** Restarts a child from its page. */
async function restart(name: string, path: string, reason: string): Promise<void> {
  await page.goto(`${relay.address}#/t/${name}/child${path}`);
  await page
    .locator("main")
    .getByRole("button", { name: /^Restart/ })
    .click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Reason, for the audit").fill(reason);
  await dialog.getByLabel("Reason, for the audit").press("Enter");
  await dialog.waitFor({ state: "detached" });
  await page.getByText("CommandCompleted").first().waitFor();
  await page.getByText(/Running for/).waitFor();
}

describe("a relay before two runs", () => {
  it("that was killed and started again has a live page again within five seconds, without a reload", async () => {
    await page.evaluate(() => Object.assign(window, { mark: "the same page" }));
    await relay.kill();
    await page
      .getByText(/NOT LIVE – last data .* ago/)
      .first()
      .waitFor();
    // What was known stays in sight, and is said to be old.
    await page.getByText("was: all 2 running").first().waitFor();

    await relay.start();
    const began = Date.now();
    await page.getByText("live", { exact: true }).waitFor();
    await expect.poll(() => target("shop").innerText()).toMatch(/^shop\s+all 2 running/);
    await expect.poll(() => target("bank").innerText()).toMatch(/^bank\s+all 2 running/);
    const took = Date.now() - began;
    expect(await page.getByText("NOT LIVE").count()).toBe(0);
    expect(await page.evaluate(() => (window as unknown as { mark?: string }).mark)).toBe("the same page");
    expect(took).toBeLessThan(LIVE_WITHIN);
  });

  it("says of a target that hangs that it does, and the others go on", async () => {
    relay.signal("bank", "SIGSTOP");
    await page.getByRole("heading", { name: /^1 thing is not well/ }).waitFor();
    expect(await target("bank").innerText()).toMatch(/not live/i);
    expect(await target("shop").innerText()).toMatch(/all 2 running/);
    await picture(page, "real-relay-hung");
    // The other one is not only there: it does what it is told.
    await restart("shop", "/web", "while the other hangs");
    await page.goto(`${relay.address}#/`);
    expect(await target("bank").innerText()).toMatch(/not live/i);

    relay.signal("bank", "SIGCONT");
    await page.getByText("Everything runs").waitFor();
  });

  it("knows what was asked for before it was killed, and finds it", async () => {
    await restart("shop", "/web", "stuck since midnight");
    await restart("bank", "/mailer", "a new certificate");
    await page.goto(`${relay.address}#/audit`);
    // What is told is on the disk.
    await expect.poll(async () => (await list().innerText()).match(/completed/g)).toHaveLength(2);
    await relay.kill();
    await relay.start();
    await page.reload();
    await list().getByText("“stuck since midnight”").waitFor();
    const rows = list().getByRole("listitem");
    expect(await rows.first().innerText()).toMatch(
      /completed\s+ann\s+Restart \/mailer in bank\s+“a new certificate”/,
    );
    // Each command is one row, however many records it has.
    expect(await rows.count()).toBe(2);
    await page.getByText("There is nothing older.").waitFor();
    await picture(page, "real-relay-audit");
    expect(await accessibility(page)).toEqual([]);

    await page.getByRole("searchbox").fill("MIDNIGHT");
    await expect.poll(() => rows.count()).toBe(1);
    await page.getByRole("searchbox").fill("");
    await page.getByRole("button", { name: "Filter" }).click();
    await page.getByLabel("Target").selectOption("bank");
    await expect.poll(() => rows.allInnerTexts()).toMatchObject([expect.stringMatching("a new certificate")]);
    await page.getByLabel("Until").fill("2020-01-01T00:00");
    await page.getByText("No record fits.").waitFor();
    await page.getByRole("button", { name: "Clear filter" }).click();
    await page.getByLabel("Result").selectOption("rejected");
    await page.getByText("No record fits.").waitFor();
    await page.getByLabel("Result").selectOption("completed");
    await expect.poll(() => rows.count()).toBe(2);
  });
});
