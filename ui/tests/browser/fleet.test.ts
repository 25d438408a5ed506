// The first page, in a real browser against the fake relay: what is broken, and what is done about it.

import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { fleet, healthy, longAgo, lost, type Scene } from "../fake/scenes.ts";
import { stage } from "./browser.ts";

const on = stage();

const main = (page: Page) => page.locator("main").innerText();

describe("what is broken", () => {
  it("is answered on the first page: what, since when, why, what is next, and one action", async () => {
    const page = await on.show(fleet(Date.now()));
    const thumbs = page.getByRole("listitem").filter({ hasText: "/thumbs" });
    await thumbs.waitFor();
    const text = await thumbs.innerText();
    expect(text).toContain("quarantined");
    expect(text).toMatch(/for \d+ s/);
    expect(text).toContain(
      "because its budget of 5 restarts is exhausted; the last time, it failed: exit code 3",
    );
    expect(text).toContain("It stays like this until somebody resumes or restarts it.");
    expect(await thumbs.getByRole("button").allInnerTexts()).toEqual(["Resume\n/thumbs"]);
    expect(await page.title()).toMatch(/^\(\d+\) supervisor$/);
  });

  it("is answered however long ago it was: the rows say since when, and until when", async () => {
    const scene: Scene = { role: "admin", actors: [longAgo("nightly", Date.now())] };
    const page = await on.show(scene);
    const feed = page.getByRole("listitem").filter({ hasText: "/feed" });
    await feed.waitFor();
    expect(await feed.innerText()).toMatch(/back-off\s+for 2 h[\s\S]*1 h 31 m[\s\S]*the disk is full/);
    expect(await page.getByRole("row").filter({ hasText: "nightly" }).innerText()).toContain("3/5");
    await page.goto(`${on.relay.address}#/t/nightly`);
    const line = (path: string) => page.getByRole("treegrid").getByRole("row").filter({ hasText: path });
    await line("web").waitFor();
    expect(await line("feed").innerText()).toMatch(/restart 4 in 1 h[\s\S]*2 h/);
    expect(await line("web").innerText()).toMatch(/running[\s\S]*5 h/);
    expect(await line("mail").innerText()).toMatch(/paused[\s\S]*1 d/);
    expect(await line("rest for one").innerText()).toContain("3/5");
    await page.goto(`${on.relay.address}#/t/nightly/child/web`);
    await page.getByText("Running for 5 h").waitFor();
    expect(await main(page)).toMatch(/Process\s+4711/);
    expect(await main(page)).not.toContain("for longer than the kept history");
    expect(await page.getByRole("list", { name: "Runs" }).getByRole("listitem").count()).toBe(1);
  });

  it("of a lost target is shown as it was, never as if it were live", async () => {
    const page = await on.show(
      { role: "admin", actors: [lost("orders-worker-b", Date.now())] },
      "#/t/orders-worker-b",
    );
    await page.getByText(/Not live: this is how it was 4\d s ago\./).waitFor();
    const color = await page
      .getByRole("treegrid")
      .evaluate((grid) => getComputedStyle(grid.parentElement as Element).filter);
    expect(color).toBe("grayscale(1)");
    expect(await main(page)).not.toMatch(/budget used|up 2 h/);
  });

  it("names a lost target first, with the age of what is known of it", async () => {
    const page = await on.show(fleet(Date.now()));
    const first = page.getByRole("listitem").first();
    await first.waitFor();
    expect(await first.innerText()).toMatch(
      /NOT LIVE[\s\S]*orders-worker-b[\s\S]*Last data 4\d s ago: its socket does not answer/,
    );
  });

  it("does not move away under the pointer, and comes in its order when the pointer leaves", async () => {
    const page = await on.show({ role: "admin", actors: [healthy("mail-gw", 9, Date.now())] });
    await page.getByText("Everything runs").waitFor();
    const first = () => page.getByRole("listitem").first().innerText();
    on.relay.say(failing("/worker-0001", "backoff", 10));
    await expect.poll(first).toContain("/worker-0001");
    await page.getByRole("button", { name: /Restart/ }).hover();
    on.relay.say(failing("/worker-0002", "quarantined", 11));
    await page.getByRole("heading", { name: "2 things are not well" }).waitFor();
    await page.getByText("the order is held while you are at it").waitFor();
    expect(await first()).toContain("/worker-0001");
    await page.getByRole("button", { name: "1 more" }).waitFor();
    await page.mouse.move(640, 10);
    await expect.poll(first).toContain("/worker-0002");
  });

  it("does not say that everything runs before it knows", async () => {
    const silent = { ...healthy("mail-gw", 9, Date.now()), state: null };
    const page = await on.show({ role: "viewer", actors: [healthy("search-1", 9, Date.now()), silent] });
    await page.getByText("Waiting for the state of 1 target…").waitFor();
    await page.getByText("all 9 running").waitFor();
    expect(await page.getByText("Everything runs").count()).toBe(0);
  });

  it("says that everything runs only when it is live", async () => {
    const page = await on.show({ role: "viewer", actors: [healthy("mail-gw", 9, Date.now())] });
    await page.getByText("Everything runs").waitFor();
    await on.relay.kill();
    await page.getByText("Everything ran when this was last heard").waitFor();
    expect(await page.getByText("Everything runs").count()).toBe(0);
    await page.getByText("was: all 9 running").waitFor();
  });
});

function failing(target_path: string, state: string, sequence: number): Record<string, unknown> {
  const payload = {
    state,
    health: "unknown",
    readiness: "unreported",
    generation: 1,
    attempt: 0,
    restart_count: 0,
    cause: "exit",
    next: "until_operator",
    exit: { kind: "failed", error: "connection reset" },
  };
  const event = {
    target_id: "mail-gw",
    sequence,
    correlation_id: null,
    event_type: "ChildFailed",
    severity: "warning",
    target_path,
    child_id: null,
    occurred_at_unix_nanos: Date.now() * 1e6,
    config_version: "",
    payload,
  };
  return { type: "event", target_id: "mail-gw", event };
}
