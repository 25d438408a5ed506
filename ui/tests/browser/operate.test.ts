// What an operator does and reads, in a real browser against the fake relay.

import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { SILENT_AFTER } from "../../src/conn/session.ts";
import { asked } from "../fake/audit.ts";
import { CODE, TOKEN } from "../fake/relay.ts";
import { crowd, fleet, healthy, hostile, longAgo, lost, many, payments, type Scene } from "../fake/scenes.ts";
import { accessibility, picture, stage } from "./browser.ts";

const on = stage();

const commands = () => on.relay.heard.filter((message) => message["type"] === "command");
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

describe("the connection", () => {
  it("that is lost cannot be missed, and is live again without a reload when the relay is back", async () => {
    const page = await on.show(fleet(Date.now()));
    await page.getByText("/thumbs").first().waitFor();
    await page.evaluate(() => Object.assign(window, { kept: true }));
    await on.relay.kill();
    const bar = page.getByText(/NOT LIVE – last data \d+ s ago, (retrying|connecting)/);
    await bar.waitFor();
    await picture(page, "not-live-wide-light");
    expect(await accessibility(page)).toEqual([]);
    await on.relay.start();
    await page.getByText("live", { exact: true }).waitFor();
    expect(await bar.count()).toBe(0);
    expect(await page.evaluate(() => "kept" in window)).toBe(true);
    const hello = on.relay.heard.findLast((message) => message["type"] === "client_hello");
    expect(hello).toMatchObject({
      resume_cursor: { targets: { "payments-worker-a": { stream_epoch: "1" } } },
    });
  });

  it("to a relay that hangs is given up, although its socket is open", async () => {
    const page = await on.show(fleet(Date.now()));
    await page.clock.install();
    await page.reload();
    await page.getByText("/thumbs").first().waitFor();
    on.relay.hung = true;
    await page.clock.fastForward(SILENT_AFTER);
    await page.getByText(/NOT LIVE – last data/).waitFor();
  });

  it("by a printed link takes the code out of the address and offers the token", async () => {
    const page = await on.show(fleet(Date.now()), `#code=${CODE}`, (one) => (one.guarded = true));
    await page.getByText("/thumbs").first().waitFor();
    expect(page.url()).not.toContain(CODE);
    expect(await page.evaluate(() => sessionStorage.getItem("supervisor.token"))).toBe(TOKEN);
    expect(await page.context().cookies()).toEqual([]);
  });

  it("by a link that is followed in a tab that shows the dashboard already signs in as well", async () => {
    const page = await on.show(fleet(Date.now()), "", (one) => (one.guarded = true));
    await page.getByText("NOT LIVE – you are not signed in").waitFor();
    await page.goto(`${on.relay.address}#code=${CODE}`);
    await page.getByText("/thumbs").first().waitFor();
    expect(page.url()).not.toContain(CODE);
  });

  it("by a link that was used says so, and what to do", async () => {
    const page = await on.show(fleet(Date.now()), "#code=used", (one) => (one.guarded = true));
    await page.getByText("NOT LIVE – you are not signed in").waitFor();
    expect(await main(page)).toContain("The link did not work: the link was used already or is too old.");
    await page.getByLabel("Token").fill(TOKEN);
    await page.keyboard.press("Enter");
    await page.getByText("/thumbs").first().waitFor();
  });

  it("that loses events draws the gap as a row", async () => {
    const page = await on.show(
      { role: "viewer", actors: [payments(Date.now())] },
      "#/t/payments-worker-a/timeline",
    );
    await page.getByText("ChildFailed").first().waitFor();
    on.relay.say({ type: "gap", target_id: "payments-worker-a", stream: "events", from: 5_000, to: 6_203 });
    await page.getByText("1\u202f204 events missed (5\u202f000 to 6\u202f203)").waitFor();
  });
});

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

describe("the keyboard alone", () => {
  it("finds a child, opens it and restarts it", async () => {
    const page = await on.show(fleet(Date.now()));
    await page.getByText("/thumbs").first().waitFor();
    await page.keyboard.press("/");
    await page.keyboard.type("feed-u");
    await page.getByRole("option", { name: /feed-us/ }).waitFor();
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "feed-us" }).waitFor();
    await page.keyboard.press("r");
    await page.keyboard.type("by hand");
    await page.keyboard.press("Enter");
    await expect.poll(() => commands()[0]).toMatchObject({ command: "restart_child", reason: "by hand" });
  });

  it("walks the tree, closes and opens branches, and leaves a question by Escape", async () => {
    const page = await on.show(fleet(Date.now()), "#/t/payments-worker-a");
    const tree = page.getByRole("treegrid");
    const feed = tree.getByRole("link", { name: "feed-eu" });
    await feed.waitFor();
    await tree.focus();
    for (let step = 0; step < 4; step++) await page.keyboard.press("j");
    const chosen = async () =>
      page.locator(`#${(await tree.getAttribute("aria-activedescendant")) ?? "none"}`).innerText();
    expect(await chosen()).toContain("ingest");
    await page.keyboard.press("h");
    await feed.waitFor({ state: "detached" });
    await page.keyboard.press("l");
    await feed.waitFor();
    await page.keyboard.press("l");
    expect(await chosen()).toContain("feed-eu");
    await page.keyboard.press("r");
    await page.getByRole("dialog").waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    expect(commands()).toEqual([]);
    await page.keyboard.press("p");
    await tree.getByText("redis").waitFor({ state: "detached" });
    expect(await tree.innerText()).toContain("thumbs");
  });

  it("shows its keys", async () => {
    const page = await on.show(fleet(Date.now()));
    await page.getByText("/thumbs").first().waitFor();
    await page.keyboard.press("?");
    await page.getByRole("dialog").getByText("Problems only").waitFor();
    expect(await accessibility(page)).toEqual([]);
    await page.keyboard.press("Escape");
    await page.keyboard.press("g");
    await page.keyboard.press("a");
    await page.getByRole("heading", { name: "Audit" }).waitFor();
  });
});

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

describe("what is chosen on a page", () => {
  it("stands in its address, and is there again when it is opened", async () => {
    const page = await on.show(fleet(Date.now()), "#/t/payments-worker-a");
    await page.getByRole("treegrid").getByText("redis").waitFor();
    await page.getByLabel("Problems only").check();
    await expect.poll(() => page.url()).toMatch(/#\/t\/payments-worker-a\?problems=only$/);
    await page.reload();
    await page.getByRole("treegrid").getByRole("link", { name: "thumbs" }).waitFor();
    expect(await page.getByRole("treegrid").getByText("redis").count()).toBe(0);
    await page.getByLabel("Problems only").uncheck();
    await page.getByRole("treegrid").getByText("redis").waitFor();
    expect(page.url()).toMatch(/#\/t\/payments-worker-a$/);

    await page.goto(`${on.relay.address}#/charts`);
    await page.getByLabel("1 hour").check();
    await expect.poll(() => page.url()).toMatch(/#\/charts\?minutes=60$/);
    await page.reload();
    await expect.poll(() => page.getByLabel("1 hour").isChecked()).toBe(true);
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

describe("names of bad intent", () => {
  it("are shown as they are written, and nothing of them runs or moves what stands beside them", async () => {
    const page = await on.show({ role: "admin", actors: [hostile(Date.now())] });
    await page.getByRole("table").getByText("<img src=x onerror=alert(1)>").waitFor();
    await page.getByText("</script><script>alert(1)</script>").first().waitFor();
    expect(await page.locator("main img, main script, main b b").count()).toBe(0);
    // A name that turns the direction of writing is kept to itself.
    const name = page.getByRole("table").locator("bdi").first();
    expect(await name.evaluate((bdi) => getComputedStyle(bdi).unicodeBidi)).toBe("isolate");
    const deep = Array.from({ length: 16 }, (_, at) => `${at}`.padEnd(64, "x"));
    await page.goto(
      `${on.relay.address}#/t/${encodeURIComponent(hostile(0).listed.target_id)}/child/${deep.join("/")}`,
    );
    await page.getByRole("heading", { name: deep[15] ?? "" }).waitFor();
    expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(
      0,
    );
    expect(await page.getByRole("button", { name: /^Restart/ }).isVisible()).toBe(true);
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

describe("size", () => {
  it("ten thousand children are drawn as a screenful of rows, and all when asked for", async () => {
    const page = await on.show(
      { role: "operator", actors: [many("search-3", 10_000, Date.now())] },
      "#/t/search-3",
    );
    await page.getByRole("button", { name: "Show all" }).click();
    const tree = page.getByRole("treegrid");
    await expect.poll(() => tree.getAttribute("aria-rowcount")).toBe("10003");
    expect(await tree.getByRole("row").count()).toBeLessThan(60);
    await tree.focus();
    await page.keyboard.press("End");
    await tree.getByText("worker-9999").waitFor();
    await page.keyboard.press("a");
    await expect.poll(() => tree.getAttribute("aria-rowcount")).toBe("103");
    await tree.getByText("9\u202f900 more are hidden, 4 of them not running").waitFor();
  });

  it("two hundred targets are a screenful of rows, worst first, also at the end of the page", async () => {
    const scene = crowd(200, 5, Date.now());
    const page = await on.show({ ...scene, actors: [...scene.actors, lost("zz-lost", Date.now())] });
    const table = page.getByRole("table", { name: "Targets" });
    await table.getByText("zz-lost").waitFor();
    const rows = table.getByRole("row");
    const worst = /^zz-lost\s+NOT LIVE\s+its socket does not answer\s+\d+ s$/;
    await expect.poll(() => rows.nth(1).innerText()).toMatch(worst);
    expect(await table.getAttribute("aria-rowcount")).toBe("202");
    expect(await rows.count()).toBeLessThan(60);
    await page.locator("main").evaluate((main) => main.scrollTo(0, 1e6));
    await table.getByText("node-199").waitFor();
    expect(await rows.count()).toBeLessThan(60);
  });

  it("the drawing of ten thousand is bounded, worst first, and says what it leaves out", async () => {
    const page = await on.show(
      { role: "operator", actors: [many("search-3", 10_000, Date.now())] },
      "#/t/search-3/graph",
    );
    await page.getByText("117 of 10\u202f001 children are drawn, the worst first.").waitFor();
    await page.getByText("9\u202f884 more, all well").waitFor();
    const drawing = page.getByRole("group", { name: /Drawing of search-3/ });
    expect(await drawing.getByRole("link").count()).toBe(118);
    expect(await drawing.getByRole("link").nth(2).innerText()).toMatch(
      /worker-0003\s+back-off\s*restart 3 in \d+ m/,
    );
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
