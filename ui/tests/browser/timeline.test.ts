// What happened, filtered and searched, and drawn over time.

import { describe, expect, it } from "vitest";
import { fleet } from "../fake/scenes.ts";
import { stage } from "./browser.ts";

const on = stage();

describe("what is looked for", () => {
  it("is asked of the relay, stands in the address, and is taken away one by one", async () => {
    const page = await on.show(fleet(Date.now()), "#/timeline");
    await page.getByText("ChildFailed").first().waitFor();
    await page.getByRole("button", { name: "Filter" }).click();
    await page.getByLabel("Path").fill("nonsense");
    await page.keyboard.press("Enter");
    await page.getByText("A path begins with / and has names between slashes.").waitFor();
    await page.getByLabel("Path").fill("/ingest/feed-eu");
    await page.keyboard.press("Enter");
    await page.getByLabel("State after the event").selectOption("backoff");
    await page.getByLabel("Event", { exact: true }).fill("ChildFailed");
    await page.keyboard.press("Enter");
    await expect.poll(() => page.url()).toContain("event=ChildFailed");
    expect(page.url()).toContain("path=%2Fingest%2Ffeed-eu&state=backoff&event=ChildFailed");
    const asked = () => on.relay.heard.findLast((one) => one["type"] === "log_event_filter_conditions");
    await expect.poll(asked).toMatchObject({
      child_paths: ["/ingest/feed-eu"],
      lifecycle_states: ["backoff"],
      event_types: ["ChildFailed"],
    });
    const list = page.getByRole("list", { name: "Timeline" });
    const rows = (await list.innerText()).split("\n").filter((line) => line.startsWith("/"));
    expect(new Set(rows)).toEqual(new Set(["/ingest/feed-eu"]));
    expect(await list.getByText("ChildRestarted").count()).toBe(0);
    await page.getByRole("button", { name: "Take away: state backoff" }).click();
    await expect.poll(() => page.url()).not.toContain("state=backoff");
    await page.reload();
    await page.getByRole("button", { name: "Take away: path /ingest/feed-eu" }).waitFor();
    await page.getByRole("button", { name: "Clear filter" }).click();
    await list.getByText("/mailer").first().waitFor();
    await expect.poll(asked).toMatchObject({ child_paths: [], event_types: [] });
  });

  it("in a child's log is a word or a severity, and what is new waits while it is held", async () => {
    const page = await on.show(fleet(Date.now()), "#/t/payments-worker-a/child/ingest/feed-eu");
    const log = page.getByRole("region", { name: "Log" });
    await log.getByText("index out of bounds").first().waitFor();
    await log.getByLabel("Search this log").fill("CONNECTED");
    await log.getByText("index out of bounds").first().waitFor({ state: "detached" });
    await log.getByText("connected wss").first().waitFor();
    await log.getByLabel("Search this log").fill("");
    await log.getByText("index out of bounds").first().waitFor();
    await log.getByLabel("Least severity").selectOption("warning");
    await log.getByText("index out of bounds").first().waitFor({ state: "detached" });
    await log.getByLabel("Least severity").selectOption("");
    await log.getByRole("button", { name: "Hold" }).click();
    on.relay.say(spoken("a line while it is held", 90_000));
    await log.getByText(/Held: \d+ new\./).waitFor();
    expect(await log.getByText("a line while it is held").count()).toBe(0);
    await log.getByRole("button", { name: "Follow" }).click();
    await log.getByText("a line while it is held").waitFor();
  });
});

describe("what happened over time", () => {
  it("is told by each chart in words too, at one time for all of them", async () => {
    const page = await on.show(fleet(Date.now()), "#/t/payments-worker-a/charts");
    const chart = (name: string) => page.getByRole("region", { name, exact: true });
    await expect.poll(() => chart("Failures by kind").innerText()).toMatch(/failed \d+/);
    expect(await chart("Restarts").innerText()).toMatch(/Restarts\s*\d+/);
    expect(await chart("Ready children").innerText()).toMatch(/Ready children\s*[1-9]/);
    expect(await page.locator("main canvas").count()).toBe(4);
    await page.getByLabel("Time", { exact: true }).fill("0");
    for (const name of ["Restarts", "Ready children", "Events"])
      expect(await chart(name).innerText()).toContain("not known");
    await page.getByText(/until \d\d:\d\d:\d\d/).waitFor();
    await page.getByRole("button", { name: "Whole time" }).click();
    await expect.poll(() => chart("Events").innerText()).toMatch(/Events\s*\d+/);
    await page.getByLabel("1 hour").check();
    await expect.poll(() => chart("Failures by kind").innerText()).toMatch(/failed \d+/);
  });

  it("is drawn as a tree over which the arrow keys walk, and that says who needs whom", async () => {
    const page = await on.show(fleet(Date.now()), "#/t/payments-worker-a/graph");
    const drawing = page.getByRole("group", { name: /Drawing of payments-worker-a/ });
    await page.getByText("all 11 children are drawn").waitFor();
    expect(await drawing.getByRole("link", { name: /^api running.*, \/api, needs \/redis$/ }).count()).toBe(
      1,
    );
    expect(await drawing.getByRole("link", { name: /^thumbs quarantined/ }).count()).toBe(1);
    await drawing.getByRole("link", { name: /^\/ starting/ }).focus();
    for (const key of ["ArrowRight", "ArrowDown", "ArrowDown"]) await page.keyboard.press(key);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "api" }).waitFor();
  });
});

function spoken(message: string, sequence: number): Record<string, unknown> {
  const log = {
    target_id: "payments-worker-a",
    sequence,
    correlation_id: null,
    severity: "info",
    message,
    fields: {},
    occurred_at_unix_nanos: Date.now() * 1e6,
    child_path: "/ingest/feed-eu",
  };
  return { type: "log", target_id: "payments-worker-a", log };
}
