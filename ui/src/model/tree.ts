// The tree as rows of a table: who is drawn, how deep, and what a closed branch hides.

import { isDown, Rank as Ranks } from "../fold/tally.ts";
import type { View } from "../fold/view.ts";
import type { Node, Topology } from "../wire.ts";
import type { Outline } from "./outline.ts";

/** More children than this of one supervisor are drawn as one row and the worst, until more are asked for. */
export const MANY = 1_000;
/** How many of the worst. */
export const WORST = 100;

/** A line of the table. */
export type Line =
  | {
      readonly is: "node";
      readonly path: string;
      readonly depth: number;
      readonly node: Node;
      /** `null` when nothing can be below it. */
      readonly open: boolean | null;
      /** Its place among its siblings, from 1, and how many there are. */
      readonly place: number;
      readonly siblings: number;
    }
  | {
      readonly is: "rest";
      readonly path: string;
      readonly depth: number;
      /** How many are left out, and how many of them do not run. 0: all are drawn, because somebody asked for it. */
      readonly hidden: number;
      readonly down: number;
      /** How many there are. */
      readonly of: number;
    };

/** What a person has chosen. */
export interface Choice {
  /** Branches opened or closed by hand; others are open when something in them is not well. */
  readonly open: ReadonlyMap<string, boolean>;
  /** Supervisors whose many children are all drawn. */
  readonly all: ReadonlySet<string>;
  readonly problemsOnly: boolean;
  /** Part of a path, in small letters; empty for all. */
  readonly search: string;
}

/** Who is below whom, made anew only when the topology is. */
export class Shape {
  readonly roots: readonly string[];
  readonly #children = new Map<string, string[]>();
  readonly #parents = new Map<string, string>();

  constructor(topology: Topology) {
    const paths = new Set(topology.nodes.map((node) => node.path));
    const edges = topology.edges.filter(
      (edge) => edge.kind === "parent_child" && paths.has(edge.target_path),
    );
    const sorted = edges.every(
      (edge, at) =>
        at === 0 ||
        edge.order >= (edges[at - 1]?.order ?? 0) ||
        edge.source_path !== edges[at - 1]?.source_path,
    );
    for (const edge of sorted ? edges : edges.toSorted((a, b) => a.order - b.order)) {
      const known = this.#children.get(edge.source_path);
      if (known === undefined) this.#children.set(edge.source_path, [edge.target_path]);
      else known.push(edge.target_path);
      this.#parents.set(edge.target_path, edge.source_path);
    }
    this.roots = topology.nodes.map((node) => node.path).filter((path) => !this.#parents.has(path));
  }

  children(path: string): readonly string[] {
    return this.#children.get(path) ?? [];
  }

  parent(path: string): string | undefined {
    return this.#parents.get(path);
  }

  /** Everybody below a path, parents before their children. */
  below(path: string): string[] {
    const all: string[] = [];
    const open = [...this.children(path)].reverse();
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      all.push(next);
      open.push(...[...this.children(next)].reverse());
    }
    return all;
  }
}

/** The lines to draw, top down. How each stands now is asked for when it is drawn. */
export function linesOf(outline: Outline, choice: Choice): Line[] {
  const { view, shape } = outline;
  const wanted = choice.search === "" ? null : matches(view, shape, choice.search);
  const lines: Line[] = [];
  const draw = (path: string, depth: number, place: number, siblings: number): void => {
    const node = view.node(path);
    if (node === undefined || (wanted !== null && !wanted.has(path))) return;
    const below = outline.below(path);
    const fine = !view.tally.bad.has(path) && below.worst === Ranks.fine;
    if (choice.problemsOnly && fine && depth > 0) return;
    const children = shape.children(path);
    const canOpen = children.length > 0;
    const byItself = depth === 0 || below.worst > Ranks.fine;
    const open = canOpen && (wanted !== null || (choice.open.get(path) ?? byItself));
    lines.push({ is: "node", path, depth, node, open: canOpen ? open : null, place, siblings });
    if (!open) return;
    const shown = isCut(children, path, choice) ? worstOf(view, children) : children;
    if (children.length > MANY && choice.search === "" && !choice.problemsOnly) {
      const hidden = children.length - shown.length;
      const down = hidden === 0 ? 0 : below.down - shown.filter((child) => isDownAt(view, child)).length;
      lines.push({
        is: "rest",
        path,
        depth: depth + 1,
        hidden,
        down: Math.max(0, down),
        of: children.length,
      });
    }
    shown.forEach((child, at) => draw(child, depth + 1, at + 1, children.length));
  };
  shape.roots.forEach((root, at) => draw(root, 0, at + 1, shape.roots.length));
  return lines;
}

/** Whether of these children only the worst are drawn. */
export function isCut(children: readonly string[], path: string, choice: Choice): boolean {
  return children.length > MANY && !choice.all.has(path) && choice.search === "";
}

/** The worst children, each rank in the order of the tree, drawn in the order of the tree. */
function worstOf(view: View, children: readonly string[]): readonly string[] {
  const bad = children.filter((path) => view.tally.bad.has(path));
  if (bad.length <= WORST) return bad;
  const worst = bad
    .toSorted((a, b) => (view.tally.bad.get(b) ?? 0) - (view.tally.bad.get(a) ?? 0))
    .slice(0, WORST);
  const chosen = new Set(worst);
  return children.filter((path) => chosen.has(path));
}

function isDownAt(view: View, path: string): boolean {
  const row = view.row(path);
  return row !== undefined && isDown(row);
}

/** The paths that match, and everybody above them. */
function matches(view: View, shape: Shape, search: string): Set<string> {
  const found = new Set<string>();
  for (const { path } of view.topology.nodes) {
    if (!path.toLowerCase().includes(search)) continue;
    for (let at: string | undefined = path; at !== undefined && !found.has(at); at = shape.parent(at))
      found.add(at);
  }
  return found;
}
