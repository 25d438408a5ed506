// The audit of before, as the relay looks it up.

import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { asked } from "../fake/audit.ts";
import { fleet } from "../fake/scenes.ts";
import { accessibility, picture, stage } from "./browser.ts";

const on = stage();

describe("the audit of before", () => {
  const list = (page: Page) => page.getByRole("list", { name: "Audit" });

  it("comes page by page, the newest first", async () => {
    const page = await on.show({ ...fleet(Date.now()), past: asked(250, Date.now()) }, "#/audit");
    await list(page).getByText("“ticket 250”").waitFor();
    expect(await list(page).getByRole("listitem").first().innerText()).toMatch(
      /completed\s+ana\s+Restart \/api/,
    );
    await page.getByRole("button", { name: "Show older ones" }).click();
    await page.getByRole("button", { name: "Show older ones" }).click();
    await page.getByText("There is nothing older.").waitFor();
    await list(page).evaluate((box) => box.scrollTo(0, box.scrollHeight));
    await list(page).getByText("“ticket 1”").waitFor();
    expect(await accessibility(page)).toEqual([]);
  });

  it("is looked through by the relay, and the address says for what", async () => {
    const page = await on.show({ ...fleet(Date.now()), past: asked(250, Date.now()) }, "#/audit");
    await page.getByRole("button", { name: "Filter" }).click();
    await page.getByLabel("Who").fill("bob");
    await page.getByLabel("Who").press("Tab");
    await page.getByLabel("What").selectOption("Pause");
    await page.getByLabel("Result").selectOption("rejected");
    await expect.poll(() => page.url()).toMatch(/#\/audit\?who=bob&what=pause_child&result=rejected$/);
    // Of bob are 1, 8, 15, …; of these every tenth was refused, and those are pauses.
    await expect
      .poll(async () => (await list(page).innerText()).match(/ticket \d+/g))
      .toEqual(["ticket 211", "ticket 141", "ticket 71", "ticket 1"]);
    await page.getByRole("button", { name: "Filter (2)" }).waitFor();
    expect(await accessibility(page)).toEqual([]);
    await picture(page, "audit-filter-wide-light");

    await page.reload();
    await list(page).getByText("“ticket 141”").waitFor();
    expect(await list(page).getByRole("listitem").count()).toBe(4);
    await page.getByRole("searchbox").fill("ticket 7");
    await expect.poll(async () => (await list(page).innerText()).match(/ticket \d+/g)).toEqual(["ticket 71"]);
    expect(page.url()).toContain("words=ticket+7");
    await page.getByRole("button", { name: "Clear filter" }).click();
    await expect.poll(async () => (await list(page).innerText()).match(/ticket \d+/g)).toEqual(["ticket 71"]);
    expect(new URL(page.url()).hash).toBe("#/audit?result=rejected&words=ticket+7");
    // What was typed a moment ago is looked for, too, when something else is chosen.
    await page.getByRole("searchbox").fill("");
    await page.getByLabel("Result").selectOption("completed");
    expect(new URL(page.url()).hash).toBe("#/audit?result=completed");
  });

  it("is one list with what is told meanwhile, and a command is one row", async () => {
    const page = await on.show(
      { ...fleet(Date.now()), past: asked(5, Date.now()) },
      "#/t/payments-worker-a/audit",
    );
    await list(page).getByText("“ticket 5”").waitFor();
    const tell = (audit_id: string, result: string) =>
      on.relay.say({
        type: "audit_event",
        target_id: "payments-worker-a",
        audit: {
          audit_id,
          identity: "eve",
          target_id: "payments-worker-a",
          command_id: "now-1",
          command: "restart_child",
          target: "/api",
          reason: "just now",
          result,
          occurred_at_unix_nanos: Date.now() * 1e6,
        },
      });
    const first = list(page).getByRole("listitem").first();
    tell("6", "accepted");
    await expect.poll(() => first.innerText()).toMatch(/accepted\s+eve\s+Restart/);
    tell("7", "completed");
    await expect.poll(() => first.innerText()).toMatch(/completed\s+eve\s+Restart/);
    // Of the five every other one is about this target.
    expect(await list(page).getByRole("listitem").count()).toBe(4);
  });
});
