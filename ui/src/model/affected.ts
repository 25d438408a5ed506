// Who else is affected by a command: those below, who are stopped too, and those who need one of them.

import type { View } from "../fold/view.ts";
import { Shape } from "./tree.ts";

/** Who is affected beside those named, in the order of the tree. */
export interface Affected {
  readonly below: readonly string[];
  /** Siblings that depend on somebody who is stopped. */
  readonly needing: readonly string[];
}

/** Who else is affected when these are stopped. */
export function affected(view: View, paths: readonly string[]): Affected {
  const shape = new Shape(view.topology);
  const below = paths.flatMap((path) => shape.below(path));
  const stopped = new Set([...paths, ...below]);
  const needing = new Set<string>();
  for (const edge of view.topology.edges)
    if (edge.kind === "dependency" && stopped.has(edge.target_path) && !stopped.has(edge.source_path))
      needing.add(edge.source_path);
  return { below, needing: [...needing] };
}
