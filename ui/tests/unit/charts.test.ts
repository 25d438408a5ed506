import { describe, expect, it } from "vitest";
import { MOMENT_MS, type Points, Series, together } from "../../src/fold/series.ts";
import { Target } from "../../src/fold/target.ts";
import { charts, RANGES, rangeOf, saying, stacked } from "../../src/model/charts.ts";
import { event, listed, row, state } from "./make.ts";

/** A moment, as nanoseconds, in the middle of it. */
const at = (moment: number) => (moment + 0.5) * MOMENT_MS * 1e6;
const until = (moment: number) => (moment + 0.9) * MOMENT_MS;
const failed = (kind: string) => event("/a", "ChildFailed", { exit: { kind, error: "e" } });
const of = (points: Points, id: string) => {
  const found = charts(points).find((chart) => chart.id === id);
  if (found === undefined) throw new Error(`no chart ${id}`);
  return found;
};

describe("what charts are drawn of", () => {
  it("counts restarts, failures by kind and events in the moment in which they happened", () => {
    const series = new Series();
    series.happened(event("/a", "ChildRestarting"), at(100));
    series.happened(failed("failed"), at(100));
    series.happened(failed("panicked"), at(102));
    series.happened(failed("failed"), at(102));
    const points = series.points(until(103), 5, 1);
    expect(points.events).toEqual([null, 2, 0, 2, 0]);
    expect(points.restarts).toEqual([null, 1, 0, 0, 0]);
    expect(points.failures.get("failed")).toEqual([null, 1, null, 1, null]);
    expect(points.failures.get("panicked")).toEqual([null, null, null, 1, null]);
    expect(saying(of(points, "failures"), null)).toBe("failed 2, panicked 1");
    expect(saying(of(points, "restarts"), null)).toBe("1");
    expect(saying(of(points, "events"), 3)).toBe("2");
  });

  it("sums up several moments in one point, which is the same point a moment later", () => {
    const series = new Series();
    for (const moment of [96, 97, 98, 99]) series.happened(event("/a", "ChildRestarting"), at(moment));
    expect(series.points(until(99), 2, 3).restarts).toEqual([3, 1]);
    expect(series.points(until(100), 2, 3).restarts).toEqual([3, 1]);
  });

  it("draws nothing, and says that it is not known, before the first event and while the target is not heard of", () => {
    const series = new Series();
    series.happened(event("/a", "ChildRunning"), at(10));
    series.ready(at(10), 7);
    series.known(at(12), false);
    series.known(at(14), true);
    const points = series.points(until(15), 8, 1);
    expect(points.ready).toEqual([null, null, 7, 7, null, null, 7, 7]);
    expect(points.events).toEqual([null, null, 1, 0, null, null, 0, 0]);
    expect(saying(of(points, "ready"), 4)).toBe("not known");
    expect(saying(of(points, "events"), 0)).toBe("not known");
  });

  it("says that more happened than is counted after a gap", () => {
    const shop = new Target(listed("shop"));
    shop.replace(state("shop", [row("/"), row("/a")], { generated_at_unix_nanos: at(10) }), false);
    shop.applyEvent(event("/a", "ChildRunning", {}, { sequence: 5, occurred_at_unix_nanos: at(11) }), false);
    expect(shop.series.points(until(12), 4, 1).partial).toBe(false);
    shop.applyEvent(event("/a", "ChildReady", {}, { sequence: 9, occurred_at_unix_nanos: at(12) }), false);
    expect(shop.series.points(until(12), 4, 1).partial).toBe(true);
  });

  it("knows how many children are ready from the rows, the root left out", () => {
    const shop = new Target(listed("shop"));
    const rows = [row("/"), row("/a"), row("/b"), row("/c", "running", { readiness: "not_ready" })];
    shop.replace(state("shop", rows, { generated_at_unix_nanos: at(10) }), false);
    const gone = event(
      "/a",
      "ChildFailed",
      { state: "backoff", readiness: "unreported" },
      { sequence: 1e6, occurred_at_unix_nanos: at(11) },
    );
    shop.applyEvent(gone, false);
    expect(shop.series.points(until(11), 2, 1).ready).toEqual([2, 1]);
  });

  it("adds up targets, and leaves out what is not known of one of them", () => {
    const [a, b] = [new Series(), new Series()];
    a.happened(event("/a", "ChildRestarting"), at(10));
    a.ready(at(10), 3);
    b.happened(event("/a", "ChildRestarting"), at(11));
    b.ready(at(11), 4);
    const both = together([a, b].map((one) => one.points(until(11), 3, 1)));
    expect(both?.restarts).toEqual([null, 1, 1]);
    expect(both?.ready).toEqual([null, 3, 7]);
    expect(together([])).toBeNull();
  });

  it("stacks bars so that the highest is drawn first and each shows its own part", () => {
    const strands = [
      { name: "failed", values: [1, null, null] },
      { name: "panicked", values: [2, 3, null] },
    ];
    expect(stacked(strands)).toEqual([
      [3, 3, null],
      [1, null, null],
    ]);
  });
});

describe("the range of a chart", () => {
  it("is that of the address, or the shortest", () => {
    expect(RANGES.map(({ minutes }) => rangeOf(String(minutes)))).toEqual(RANGES);
    expect(["", "7", "x"].map((text) => rangeOf(text).minutes)).toEqual([5, 5, 5]);
  });
});
