// Commands, from the question to the outcome, in a real browser against the fake relay.

import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { fleet, healthy } from "../fake/scenes.ts";
import { accessibility, picture, stage } from "./browser.ts";

const on = stage();

const commands = () => on.relay.heard.filter((message) => message["type"] === "command");
const main = (page: Page) => page.locator("main").innerText();

describe("a command", () => {
  it("asks for a reason, is sent once, shows each step, and is in the audit", async () => {
    const page = await on.show(fleet(Date.now()), "#/t/payments-worker-a/child/ingest/feed-us");
    await page.getByRole("button", { name: /^Restart/ }).click();
    const dialog = page.getByRole("dialog");
    const submit = dialog.getByRole("button", { name: "Restart" });
    expect(await submit.isDisabled()).toBe(true);
    expect(await dialog.innerText()).toContain("Say why first.");
    expect(await accessibility(page)).toEqual([]);
    await picture(page, "ask-wide-light");
    await dialog.getByLabel("Reason, for the audit").fill("stuck since midnight");
    await page.keyboard.press("Enter");
    const sent = page.getByRole("region", { name: "Commands" });
    const steps = async () =>
      (await sent.getByRole("list").innerText())
        .replace(/\s*→?\s*\d+(\.\d+)? m?s/g, " ")
        .replace(/[\s→]+/g, " ")
        .trim();
    await expect.poll(steps, { timeout: 10_000 }).toBe("sent accepted stopping starting started ready done");
    expect(await sent.getByRole("link", { name: "What it caused" }).getAttribute("href")).toContain(
      `timeline?command=${String(commands()[0]?.["command_id"])}`,
    );
    expect(commands()).toHaveLength(1);
    expect(commands()[0]).toMatchObject({
      command: "restart_child",
      target: { child_path: "/ingest/feed-us" },
      reason: "stuck since midnight",
      confirmed: false,
    });
    expect(commands()[0]).not.toHaveProperty("requested_by");
    await page.goto(`${on.relay.address}#/audit`);
    await page.getByText("“stuck since midnight”").first().waitFor();
    expect(await main(page)).toMatch(/completed\s+ana\s+Restart \/ingest\/feed-us in payments-worker-a/);
  });

  it("of which only those since the page was opened are known says where the others are", async () => {
    const page = await on.show(fleet(Date.now()), "#/audit");
    await page.getByText("Nobody has asked for anything since this page was opened.").waitFor();
    await page.getByText("supervisor audit show").waitFor();
    expect(on.relay.heard.filter((message) => message["type"] === "audit_query")).toEqual([]);
  });

  it("that resumes asks nothing and sends its own reason", async () => {
    const page = await on.show(fleet(Date.now()));
    await page.getByRole("button", { name: "Resume /mailer" }).click();
    await expect
      .poll(() => commands()[0])
      .toMatchObject({ command: "resume_child", reason: "resumed from the dashboard" });
    // It stays in its place for as long as the pointer is there, and says how it is now.
    const mailer = page.getByRole("listitem").filter({ hasText: "/mailer" });
    await expect.poll(() => mailer.innerText()).toMatch(/running/);
    await page.mouse.move(640, 10);
    await mailer.waitFor({ state: "detached" });
  });

  it("that removes wants the name typed and lists who is affected", async () => {
    const page = await on.show(fleet(Date.now()), "#/t/payments-worker-a/child/ingest");
    await page.getByRole("button", { name: /^Remove/ }).click();
    const dialog = page.getByRole("dialog");
    expect(await dialog.innerText()).toMatch(
      /3 below are stopped too:[\s\S]*\/ingest\/feed-eu[\s\S]*\/ingest\/feed-us[\s\S]*\/ingest\/parser/,
    );
    await dialog.getByLabel("Reason, for the audit").fill("over");
    await dialog.getByLabel("To confirm, type ingest").fill("inges");
    expect(await dialog.getByRole("button", { name: "Remove" }).isDisabled()).toBe(true);
    await dialog.getByLabel("To confirm, type ingest").fill("ingest");
    await dialog.getByRole("button", { name: "Remove" }).click();
    await expect.poll(() => commands()[0]).toMatchObject({ command: "remove_child", confirmed: true });
  });

  it("that is refused is red and says why until it is put away", async () => {
    const scene = fleet(Date.now());
    const page = await on.show(scene, "#/t/payments-worker-a/child/redis");
    await page.getByRole("button", { name: /^Pause/ }).click();
    const rows = scene.actors[0]?.state?.runtime_state;
    (rows as unknown[]).splice(rows?.findIndex((row) => row.child_path === "/redis") ?? 0, 1);
    await page.getByRole("dialog").getByLabel("Reason, for the audit").fill("test");
    await page.keyboard.press("Enter");
    await page.getByText("Refused: there is no child '/redis'").waitFor();
    await page.getByRole("button", { name: /^Put away/ }).click();
    expect(await page.getByText("Refused").count()).toBe(0);
  });

  it("that a viewer may not give cannot be pressed and says why", async () => {
    const page = await on.show({ ...fleet(Date.now()), role: "viewer" }, "#/t/payments-worker-a/child/redis");
    const restart = page.getByRole("button", { name: /^Restart/ });
    await restart.waitFor();
    expect(await restart.getAttribute("aria-disabled")).toBe("true");
    expect(await restart.getAttribute("title")).toBe("Needs the role operator; you are viewer.");
    await restart.click({ force: true });
    expect(await page.getByRole("dialog").count()).toBe(0);
  });

  it("whose answer is lost says that it is unknown, and the same id is asked again", async () => {
    const page = await on.show(
      { role: "admin", actors: [healthy("mail-gw", 3, Date.now())] },
      "#/t/mail-gw/child/worker-0001",
    );
    await page.getByRole("button", { name: /^Restart/ }).click();
    await page.getByRole("dialog").getByLabel("Reason, for the audit").fill("test");
    await page.keyboard.press("Enter");
    await expect.poll(() => commands().length).toBe(1);
    await on.relay.kill();
    await page.getByText("It may or may not have been done.").waitFor();
    await on.relay.start();
    await page.getByRole("button", { name: "Ask again" }).click();
    await expect.poll(() => commands().length).toBe(2);
    expect(commands()[1]).toEqual(commands()[0]);
  });
});

describe("many at once", () => {
  it("are selected, and a command goes to those who take it and says who is left out and why", async () => {
    const page = await on.show(fleet(Date.now()), "#/t/payments-worker-a");
    const tree = page.getByRole("treegrid");
    for (const path of ["/redis", "/ingest", "/ingest/feed-us", "/mailer"])
      await tree.getByRole("checkbox", { name: `Select ${path}`, exact: true }).check();
    const selection = page.getByRole("group", { name: "Selection" });
    expect(await selection.innerText()).toContain("4 selected");
    await selection.getByRole("button", { name: "Pause…" }).click();
    const dialog = page.getByRole("dialog");
    const text = await dialog.innerText();
    expect(text).toMatch(/Pause\s+2 children/);
    expect(text).toMatch(/3 below are stopped too:[\s\S]*\/ingest\/feed-eu/);
    expect(text).toMatch(/1 needs what is stopped and may wait or be restarted:[\s\S]*\/api/);
    expect(text).toMatch(/1 of the selection are left out:\s+\/mailer It is paused already\./);
    await dialog.getByLabel("Reason, for the audit").fill("moving the disk");
    await page.keyboard.press("Enter");
    await expect.poll(() => commands().length).toBe(2);
    expect(
      commands()
        .map((one) => (one["target"] as { child_path: string }).child_path)
        .sort(),
    ).toEqual(["/ingest", "/redis"]);
  });

  it("are removed only after how many is typed", async () => {
    const page = await on.show(fleet(Date.now()), "#/t/payments-worker-a");
    const tree = page.getByRole("treegrid");
    for (const path of ["/redis", "/api"])
      await tree.getByRole("checkbox", { name: `Select ${path}`, exact: true }).check();
    await page.getByRole("group", { name: "Selection" }).getByRole("button", { name: "Remove…" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Reason, for the audit").fill("over");
    expect(await dialog.innerText()).toContain("Type 2 children first.");
    await dialog.getByLabel("To confirm, type 2 children").fill("2 children");
    await dialog.getByRole("button", { name: "Remove" }).click();
    await expect.poll(() => commands().map((one) => one["confirmed"])).toEqual([true, true]);
  });
});

describe("a new child", () => {
  it("is written under a supervisor, checked by the schema while it is written, and sent", async () => {
    const page = await on.show(fleet(Date.now()), "#/t/payments-worker-a/child/ingest");
    await page.getByRole("button", { name: /^Add child/ }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByRole("heading", { name: "Add a child under /ingest" }).waitFor();
    await dialog.getByLabel("Reason, for the audit").fill("one more feed");
    const add = dialog.getByRole("button", { name: "Add child" });
    const editor = dialog.getByLabel("Manifest, as JSON");
    await editor.fill('{"name": "parser", "kind": "process", "comand": ["feed"]}');
    await dialog.getByText("there is no key comand; the nearest is command").waitFor();
    expect(await add.isDisabled()).toBe(true);
    await editor.fill('{"name": "parser", "kind": "process", "command": ["feed"]}');
    await dialog.getByText("There is a child called parser already.").waitFor();
    await editor.fill('{"name": "feed-ap", "kind": "process", "command": ["feed"]}');
    await dialog.getByText("It follows the schema.").waitFor();
    expect(await accessibility(page)).toEqual([]);
    await add.click();
    await expect
      .poll(() => commands()[0])
      .toMatchObject({
        command: "add_child",
        target: { child_path: "/ingest", child_manifest: { name: "feed-ap", command: ["feed"] } },
        reason: "one more feed",
        confirmed: true,
      });
  });
});
