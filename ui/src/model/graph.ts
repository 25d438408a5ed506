// The tree as a drawing: whom to draw, where each stands, and the lines between them. Bounded: of too many the worst
// are drawn, and each supervisor says whom it leaves out.

import { hierarchy, partition } from "d3-hierarchy";
import { isDown, type Rank, Rank as Ranks } from "../fold/tally.ts";
import type { View } from "../fold/view.ts";
import type { Node } from "../wire.ts";
import type { Outline } from "./outline.ts";

/** How many children are drawn at most. */
export const MOST = 160;
/** How many of the well ones are drawn below one supervisor. */
export const WELL = 12;

/** The size of a box and the room between boxes, in pixels. */
export interface Sizes {
  readonly width: number;
  readonly height: number;
  readonly across: number;
  readonly down: number;
}

/** A box of the drawing. */
export type Box = { readonly x: number; readonly y: number; readonly depth: number } & (
  | {
      readonly is: "node";
      readonly path: string;
      readonly node: Node;
      readonly parent: string | null;
      readonly needs: readonly string[];
    }
  | { readonly is: "rest"; readonly path: string; readonly hidden: number; readonly down: number }
);

/** A line of the drawing, as an SVG path. */
export interface Stroke {
  readonly key: string;
  readonly kind: "parent_child" | "dependency";
  readonly d: string;
}

/** The drawing. */
export interface Drawing {
  readonly boxes: readonly Box[];
  readonly strokes: readonly Stroke[];
  readonly width: number;
  readonly height: number;
  /** How many children are drawn, and how many there are. */
  readonly drawn: number;
  readonly all: number;
}

/** One node of the chosen part of a tree. */
interface Branch {
  readonly path: string;
  readonly rest: { hidden: number; down: number } | null;
  readonly children: Branch[];
}

/** The drawing of a tree. */
export function drawing(outline: Outline, sizes: Sizes, most = MOST): Drawing {
  const { view, shape } = outline;
  const chosen = choose(outline, most);
  const branch = (path: string): Branch => {
    const children = shape.children(path);
    const left = children.filter((child) => !chosen.has(child));
    const kept = children.filter((child) => chosen.has(child));
    // Where not all can be seen, the worst are seen first.
    const shown = left.length === 0 ? kept : kept.toSorted((a, b) => worst(outline, b) - worst(outline, a));
    const below = shown.map(branch);
    if (left.length > 0) {
      const down = left.reduce(
        (sum, one) => sum + outline.below(one).down + (isDownAt(view, one) ? 1 : 0),
        0,
      );
      below.push({ path, rest: { hidden: left.length, down }, children: [] });
    }
    return { path, rest: null, children: below };
  };
  const boxes: Box[] = [];
  const strokes: Stroke[] = [];
  let top = 0;
  for (const root of shape.roots.filter((path) => chosen.has(path))) {
    const counted = hierarchy(branch(root)).count();
    const step = sizes.height + sizes.down;
    // Each takes as many lines as it has leaves, and stands in the first of them: the root is always in sight.
    const laid = partition<Branch>().size([(counted.value ?? 1) * step, 1])(counted);
    for (const one of laid) {
      const place = (of: { depth: number; x0: number }) => ({
        x: of.depth * (sizes.width + sizes.across),
        y: Math.round(of.x0) + top,
      });
      const at = { ...place(one), depth: one.depth };
      const { path, rest } = one.data;
      const node = view.node(path);
      if (rest !== null) boxes.push({ is: "rest", ...at, path, ...rest });
      else if (node !== undefined)
        boxes.push({ is: "node", ...at, path, node, parent: one.parent?.data.path ?? null, needs: [] });
      if (one.parent !== null) {
        const from = place(one.parent);
        const [x, y] = [from.x + sizes.width, at.y + sizes.height / 2];
        strokes.push({
          key: `parent ${path}${rest === null ? "" : " rest"}`,
          kind: "parent_child",
          d: `M${x} ${from.y + sizes.height / 2}H${at.x - 16}V${y}H${at.x}`,
        });
      }
    }
    top = Math.max(0, ...boxes.map((box) => box.y)) + sizes.height + sizes.down * 2;
  }
  const needs = dependencies(view, boxes, sizes, strokes);
  return {
    boxes: boxes.map((box) => (box.is === "node" ? { ...box, needs: needs.get(box.path) ?? [] } : box)),
    strokes,
    width: Math.max(0, ...boxes.map((box) => box.x)) + sizes.width + sizes.across,
    height: Math.max(0, ...boxes.map((box) => box.y)) + sizes.height,
    drawn: boxes.filter((box) => box.is === "node" && box.parent !== null).length,
    all: view.topology.nodes.length - 1,
  };
}

/** Draws who needs whom, at the right side of the boxes, and tells it. */
function dependencies(
  view: View,
  boxes: readonly Box[],
  sizes: Sizes,
  strokes: Stroke[],
): Map<string, string[]> {
  const at = new Map(boxes.flatMap((box) => (box.is === "node" ? [[box.path, box] as const] : [])));
  const needs = new Map<string, string[]>();
  for (const edge of view.topology.edges) {
    if (edge.kind !== "dependency") continue;
    const [from, to] = [at.get(edge.source_path), at.get(edge.target_path)];
    if (from === undefined || to === undefined) continue;
    needs.set(from.path, [...(needs.get(from.path) ?? []), to.path]);
    const middle = sizes.height / 2;
    // Those that are further apart go further out, so that lines do not lie on each other.
    const out = Math.min(sizes.across - 14, 14 + Math.abs(from.y - to.y) / 8);
    const [x1, x2] = [from.x + sizes.width, to.x + sizes.width];
    const [y1, y2] = [from.y + middle - 4, to.y + middle + 4];
    strokes.push({
      key: edge.edge_id,
      kind: "dependency",
      d: `M${x1} ${y1}C${x1 + out} ${y1} ${x2 + out} ${y2} ${x2 + 7} ${y2}`,
    });
  }
  return needs;
}

/** The paths to draw: everybody above a drawn one is drawn, the worst come first, and of the well ones only some. */
function choose(outline: Outline, most: number): Set<string> {
  const { shape } = outline;
  const chosen = new Set<string>();
  /** Who may be drawn next, by how bad it is or something below it. */
  const next: string[][] = [[], [], [], []];
  const offer = (path: string, rank: Rank) => next[rank]?.push(path);
  for (const root of shape.roots) offer(root, Ranks.broken);
  const take = (): string | undefined => {
    for (let rank = next.length - 1; rank >= 0; rank--) {
      const path = next[rank]?.shift();
      if (path !== undefined) return path;
    }
    return undefined;
  };
  for (let path = take(); path !== undefined && chosen.size < most; path = take()) {
    chosen.add(path);
    let well = 0;
    for (const child of shape.children(path)) {
      if (chosen.has(child)) continue;
      const rank = worst(outline, child);
      if (rank > Ranks.fine || well++ < WELL) offer(child, rank);
    }
  }
  return chosen;
}

/** How bad a child is, or the worst below it. */
function worst(outline: Outline, path: string): Rank {
  return Math.max(outline.view.tally.bad.get(path) ?? Ranks.fine, outline.below(path).worst) as Rank;
}

function isDownAt(view: View, path: string): boolean {
  const row = view.row(path);
  return row !== undefined && isDown(row);
}
