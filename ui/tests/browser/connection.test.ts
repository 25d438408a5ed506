// How a page comes in, what it says when it is not live, and how it comes back.

import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { SILENT_AFTER } from "../../src/conn/session.ts";
import { CODE, TOKEN } from "../fake/relay.ts";
import { fleet, payments } from "../fake/scenes.ts";
import { accessibility, picture, stage } from "./browser.ts";

const on = stage();

const main = (page: Page) => page.locator("main").innerText();

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
