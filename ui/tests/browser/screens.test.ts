// Every page at two widths and in both colours: nothing goes wrong in it, nothing overflows, axe finds nothing.

import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { asked } from "../fake/audit.ts";
import { FakeRelay } from "../fake/relay.ts";
import { fleet, healthy, hostile, lost, many, type Scene } from "../fake/scenes.ts";
import { accessibility, drawn, launch, open, picture } from "./browser.ts";

const SIZES = { wide: { width: 1440, height: 900 }, narrow: { width: 390, height: 844 } } as const;

interface Shown {
  readonly scene: (now: number) => Scene;
  readonly route: string;
  readonly ready: string;
  /** What is done before the picture. */
  readonly before?: (page: Page) => Promise<void>;
}

const PAGES: Readonly<Record<string, Shown>> = {
  fleet: { scene: fleet, route: "", ready: "/ingest/feed-eu" },
  calm: {
    scene: (now) => ({ role: "viewer", actors: [healthy("mail-gw", 9, now)] }),
    route: "",
    ready: "Everything runs",
  },
  empty: { scene: () => ({ role: "viewer", actors: [] }), route: "", ready: "No target is registered" },
  tree: { scene: fleet, route: "#/t/payments-worker-a", ready: "feed-eu" },
  many: {
    scene: (now) => ({ role: "operator", actors: [many("search-3", 10_000, now)] }),
    route: "#/t/search-3",
    ready: "more",
  },
  child: { scene: fleet, route: "#/t/payments-worker-a/child/ingest/feed-eu", ready: "restart" },
  filter: {
    scene: fleet,
    route: "#/timeline?path=%2Fingest%2Ffeed-eu&severity=warning",
    ready: "ChildFailed",
    before: (page) => page.getByRole("button", { name: "Filter (2)" }).click(),
  },
  failures: {
    scene: fleet,
    route: "#/t/payments-worker-a/child/ingest/feed-eu",
    ready: "restart",
    before: (page) => page.getByRole("tab", { name: /^Failures/ }).click(),
  },
  graph: { scene: fleet, route: "#/t/payments-worker-a/graph", ready: "all 11 children are drawn" },
  charts: { scene: fleet, route: "#/t/payments-worker-a/charts", ready: "Failures by kind" },
  broken: {
    scene: (now) => ({ role: "operator", actors: [lost("orders-worker-b", now)] }),
    route: "#/t/orders-worker-b",
    ready: "its socket does not answer",
  },
  past: {
    scene: (now) => ({ ...fleet(now), past: asked(250, now) }),
    route: "#/audit?who=ana&since=2020-01-01T00:00Z",
    ready: "“ticket 250”",
    before: (page) => page.getByRole("button", { name: "Filter (2)" }).click(),
  },
  audit: { scene: fleet, route: "#/audit", ready: "Nobody has asked for anything" },
  deep: {
    scene: (now) => ({ role: "admin", actors: [hostile(now)] }),
    route: `#/t/${encodeURIComponent("<img src=x onerror=alert(1)> \u202egnp.exe")}`,
    ready: "__proto__",
  },
  timeline: { scene: fleet, route: "#/timeline", ready: "ChildFailed" },
  hostile: { scene: (now) => ({ role: "admin", actors: [hostile(now)] }), route: "", ready: "/__proto__" },
};

describe("a page in both widths and both colours shows all, and is well made:", () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launch();
  });
  afterAll(() => browser.close());

  it.each(Object.entries(PAGES))("%s", async (name, { scene, route, ready, before }) => {
    const relay = new FakeRelay(scene(Date.now()));
    await relay.start();
    const { page, wrong } = await open(browser, relay.address + route);
    await page.getByText(ready).first().waitFor();
    await before?.(page);
    for (const [size, viewport] of Object.entries(SIZES)) {
      for (const colorScheme of ["light", "dark"] as const) {
        await page.setViewportSize(viewport);
        await page.emulateMedia({ colorScheme });
        await drawn(page);
        const as = `${name}-${size}-${colorScheme}`;
        await picture(page, as);
        const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        expect(over, `${as}: wider than the window`).toBeLessThanOrEqual(0);
        // Another colour changes nothing but colours.
        const found = await accessibility(page, colorScheme === "dark" ? "colours" : undefined);
        expect(found, as).toEqual([]);
      }
    }
    expect(wrong).toEqual([]);
    await page.context().close();
    await relay.kill();
  });
});
