// The tree and its rows: by the keyboard, with choices in the address, with names of bad intent, and very large.

import { describe, expect, it } from "vitest";
import { crowd, fleet, hostile, lost, many } from "../fake/scenes.ts";
import { accessibility, stage } from "./browser.ts";

const on = stage();

const commands = () => on.relay.heard.filter((message) => message["type"] === "command");

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
