import { describe, expect, it } from "vitest";
import type { Target } from "../../src/fold/target.ts";
import { drawing } from "../../src/model/graph.ts";
import { Outline } from "../../src/model/outline.ts";
import { Shape } from "../../src/model/tree.ts";
import { row, target } from "./make.ts";

const SIZES = { width: 200, height: 40, across: 50, down: 10 };

function draw(of: Target, most?: number) {
  const view = of.view;
  if (view === null) throw new Error("no view");
  return drawing(new Outline(view, new Shape(view.topology)), SIZES, most);
}

describe("the drawn tree", () => {
  it("draws everybody once, each right of who is above it, and no box over another", () => {
    const drawn = draw(
      target(
        "shop",
        ["/", "/a", "/a/x", "/a/y", "/b", "/b/z"].map((path) => row(path)),
      ),
    );
    expect([drawn.drawn, drawn.all]).toEqual([5, 5]);
    const places = new Map(drawn.boxes.map((box) => [box.path, `${box.x} ${box.y}`]));
    expect(Object.fromEntries(places)).toEqual({
      "/": "0 0",
      "/a": "250 0",
      "/a/x": "500 0",
      "/a/y": "500 50",
      "/b": "250 100",
      "/b/z": "500 100",
    });
    expect(drawn.strokes.filter((one) => one.kind === "parent_child")).toHaveLength(5);
  });

  it("draws who needs whom, and says it in words", () => {
    const shop = target("shop", [row("/"), row("/db"), row("/api")]);
    const topology = shop.view?.topology;
    if (topology === undefined) throw new Error("no view");
    const needs = {
      edge_id: "dependency:/api->/db",
      source_path: "/api",
      target_path: "/db",
      kind: "dependency",
      order: 0,
    };
    shop.view?.applyDelta({
      topology: { ...topology, edges: [...topology.edges, needs] },
      runtime_state: [...(shop.view.rows.values() ?? [])],
    });
    const drawn = draw(shop);
    expect(drawn.strokes.filter((one) => one.kind === "dependency").map((one) => one.key)).toEqual([
      needs.edge_id,
    ]);
    const api = drawn.boxes.find((box) => box.path === "/api");
    expect(api?.is === "node" && api.needs).toEqual(["/db"]);
  });

  it("of too many draws the worst first, with who is above them, and counts whom it leaves out", () => {
    const many = Array.from({ length: 9_000 }, (_, at) =>
      row(`/s/c${at}`, at === 8_888 ? "failed" : "running"),
    );
    const drawn = draw(target("shop", [row("/"), row("/quiet"), row("/s"), ...many]));
    const below = drawn.boxes.filter((box) => box.path.startsWith("/s/"));
    expect(below[0]?.path).toBe("/s/c8888");
    expect(below).toHaveLength(13);
    expect(drawn.boxes.find((box) => box.is === "rest")).toMatchObject({
      path: "/s",
      hidden: 8_987,
      down: 0,
    });
    expect([drawn.drawn, drawn.all]).toEqual([15, 9_002]);
  });

  it("leaves out problems too when even they are too many, and says how many do not run", () => {
    const many = Array.from({ length: 500 }, (_, at) => row(`/c${at}`, "backoff"));
    const drawn = draw(target("shop", [row("/"), ...many]), 100);
    expect(drawn.boxes.filter((box) => box.is === "node")).toHaveLength(100);
    expect(drawn.boxes.find((box) => box.is === "rest")).toMatchObject({ hidden: 401, down: 401 });
  });
});
