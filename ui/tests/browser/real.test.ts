// What an operator does and reads, in a real browser, on real programs that the real binary runs.

import type { Browser, Locator, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { accessibility, launch, open, picture } from "./browser.ts";
import { Stack } from "./stack.ts";

// Each program tells its process, as an operator would look it up.
const STACK = `
version: 1
name: shop
supervisor:
  strategy: one_for_one
  budget: {max_restarts: 50, window_secs: 60}
  defaults:
    backoff: {initial_ms: 100, max_ms: 1000}
children:
  - name: web
    kind: process
    command: [sh, -c, "echo process $$; exec sleep 100000"]
  - name: mailer
    kind: process
    command: [sh, -c, "echo process $$; exec sleep 100000"]
  - name: vault
    kind: process
    command: [sleep, "100000"]
    command_permissions: {allow_shutdown: false}
`;

let browser: Browser;
let stack: Stack;
let page: Page;
let wrong: string[] = [];

beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser.close());
beforeEach(async () => {
  stack = new Stack("shop", STACK);
  await stack.start();
  ({ page, wrong } = await open(browser, await stack.link()));
  await page.getByText("live", { exact: true }).waitFor();
});
afterEach(async ({ task }) => {
  if (task.result?.state === "fail") await picture(page, `failed ${task.name}`.slice(0, 60));
  await page.context().close();
  await stack.clear();
  expect(wrong).toEqual([]);
});

const go = (route: string) => page.goto(`${stack.address}#/${route}`);
const main = () => page.locator("main");
const commands = () => page.getByRole("region", { name: "Commands" });
const row = (name: string): Locator => page.getByRole("treegrid").getByRole("row").filter({ hasText: name });

/** The processes of the child whose page this is, as its log tells them, the newest last. */
async function processes(): Promise<number[]> {
  const log = page.getByRole("region", { name: "Log" });
  await log
    .getByText(/process \d+/)
    .first()
    .waitFor();
  const said = (await log.innerText()).matchAll(/process (\d+)/g);
  return [...new Set([...said].map((one) => Number(one[1])))];
}

/** Waits until the page says so. */
const reads = (what: RegExp) => expect.poll(() => main().innerText()).toMatch(what);

const resume = () =>
  main()
    .getByRole("button", { name: /^Resume \// })
    .click();

/** Gives a command and answers its question. */
async function give(button: RegExp, reason: string, typed?: string): Promise<void> {
  await main().getByRole("button", { name: button }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Reason, for the audit").fill(reason);
  if (typed !== undefined) await dialog.getByLabel(`To confirm, type ${typed}`).fill(typed);
  await dialog.getByLabel("Reason, for the audit").press("Enter");
  await dialog.waitFor({ state: "detached" });
}

describe("a stack of real programs", () => {
  it("is live behind the printed link, which is good once and leaves nothing in the address", async () => {
    expect(page.url()).not.toContain("code");
    expect(await page.context().cookies()).toEqual([]);
    await page.getByText("Everything runs").waitFor();
    await go("t/shop");
    for (const name of ["web", "mailer", "vault"]) await row(name).getByText("running").first().waitFor();
    expect(await accessibility(page)).toEqual([]);
    await picture(page, "real-tree");
    const used = await stack.link();
    const [first, second] = [await open(browser, used), await open(browser, used)];
    await first.page.getByText("live", { exact: true }).waitFor();
    await second.page.getByText("the link was used already or is too old").waitFor();
    for (const { page } of [first, second]) await page.context().close();
  });

  it("tells a program that was killed, why it ended, and that it runs again", async () => {
    await go("t/shop/child/web");
    const [first] = await processes();
    process.kill(first ?? 0, "SIGKILL");
    await reads(/killed: signal 9, sent by somebody else/);
    await expect.poll(async () => (await processes()).length).toBe(2);
    await reads(/Running for/);
    await go("t/shop/timeline");
    await reads(/\/web[\s\S]*ChildFailed[\s\S]*it was killed: signal 9, sent by somebody else/);
    await picture(page, "real-timeline");
  });

  it("says how each child is looked after, and where each value comes from", async () => {
    const facts = page.getByRole("region", { name: "Facts" });
    const says = (what: RegExp) => expect.poll(() => facts.innerText()).toMatch(what);
    await go("t/shop/child/web");
    await says(/restart\s+permanent – from its role service/);
    await says(/back-off\s+100 ms to 1 s.* – defaults of \//);
    await says(/budget\s+50 restarts in 60 s, shared with its siblings – from its supervisor \//);
    await facts.getByText(/values that nobody has set/).click();
    await says(/must start within\s+60 s – built-in default/);
    expect(await accessibility(page)).toEqual([]);
    await picture(page, "real-policy");
    await go("t/shop/child/vault");
    await says(/commands allowed\s+restart, every signal – its own spec/);
    await go("t/shop/child/");
    await says(
      /restart strategy\s+one for one – its own spec[\s\S]*start order\s+dependencies – default of a stack file/,
    );
  });

  it("is steered from the page, and the audit tells who did what and why", async () => {
    await go("t/shop/child/web");
    const before = await processes();
    await give(/^Restart/, "stuck since midnight");
    await commands()
      .getByText(/→ done/)
      .waitFor();
    await expect.poll(async () => (await processes()).length).toBe(before.length + 1);

    await give(/^Pause/, "maintenance");
    await reads(/Paused (by|for)[\s\S]*maintenance/);
    // What can do no harm asks nothing.
    await resume();
    await reads(/Running for/);

    await give(/^Quarantine/, "it sends nonsense");
    await reads(/Quarantined (by|for)[\s\S]*it sends nonsense/);
    await resume();
    await reads(/Running for/);

    await go("audit");
    for (const [what, why] of [
      ["Restart", "stuck since midnight"],
      ["Pause", "maintenance"],
      ["Quarantine", "it sends nonsense"],
      ["Resume", "resumed from the dashboard"],
    ])
      await reads(new RegExp(`completed\\s+[^\\n]*\\(dashboard\\)\\s+${what} /web in shop[\\s\\S]*${why}`));
    await picture(page, "real-audit");
  });

  it("loses a child only to who types its name, and gets one by its manifest", async () => {
    await go("t/shop/child/mailer");
    await main()
      .getByRole("button", { name: /^Remove/ })
      .click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Reason, for the audit").fill("no longer needed");
    await dialog.getByLabel("To confirm, type mailer").fill("maile");
    expect(await dialog.getByRole("button", { name: "Remove" }).isDisabled()).toBe(true);
    await dialog.getByLabel("To confirm, type mailer").fill("mailer");
    await dialog.getByRole("button", { name: "Remove" }).click();
    await commands()
      .getByText(/→ done/)
      .waitFor();
    await go("t/shop");
    await row("web").first().waitFor();
    await row("mailer").waitFor({ state: "detached" });

    await main()
      .getByRole("button", { name: /^Add child/ })
      .click();
    await dialog
      .getByRole("textbox", { name: /^Manifest/ })
      .fill(JSON.stringify({ name: "extra", kind: "process", command: ["sleep", "100000"] }));
    await dialog.getByLabel("Reason, for the audit").fill("more hands");
    await dialog.getByRole("button", { name: "Add child" }).click();
    await row("extra").getByText("running").first().waitFor();
  });

  it("refuses in words what a child's file forbids", async () => {
    await go("t/shop/child/vault");
    await give(/^Pause/, "to see whether I may");
    await commands()
      .getByText(/Refused: .*(permission|allow_shutdown|forbid)/i)
      .waitFor();
    await go("t/shop");
    await row("vault").getByText("running").first().waitFor();
  });

  it("is shut down by who types its name, and ends well", async () => {
    await go("t/shop");
    await give(/^Shut down/, "over for today", "shop");
    expect(await stack.ended()).toBe(0);
    await page
      .getByText(/NOT LIVE/)
      .first()
      .waitFor();
    for (const name of ["web", "mailer", "vault"]) await row(name).getByText("stopped").waitFor();
  });

  it("that hangs is shown as not live, and comes back by itself", async () => {
    await page.evaluate(() => Object.assign(window, { kept: true }));
    stack.signal("SIGSTOP");
    await page.getByText(/NOT LIVE – last data \d+ s ago/).waitFor();
    stack.signal("SIGCONT");
    await page.getByText("live", { exact: true }).waitFor();
    expect(await page.evaluate(() => "kept" in window)).toBe(true);
  });

  it("that was killed and started again is not live until one signs in to the new one", async () => {
    stack.signal("SIGKILL");
    await page
      .getByText(/NOT LIVE/)
      .first()
      .waitFor();
    expect(await stack.ended()).toBe(null);
    await stack.start();
    await page.getByText("NOT LIVE – you are not signed in").waitFor();
    await page.goto(await stack.link());
    await page.getByText("live", { exact: true }).waitFor();
    await page.getByText("Everything runs").waitFor();
  });
});
