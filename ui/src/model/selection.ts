// A command on many children at once: who of them takes it, and who does not and why.

import type { View } from "../fold/view.ts";
import { type Asking, onChild, type Verb } from "./actions.ts";

/** What a command on a selection comes to. */
export interface Bulk {
  readonly takes: readonly string[];
  readonly refused: readonly { readonly path: string; readonly why: string }[];
}

/** The commands on a selection, in the order of their buttons. */
export const BULK = [
  "restart_child",
  "pause_child",
  "resume_child",
  "quarantine_child",
  "remove_child",
] as const;

/** What a command comes to on these children. One below another of them is done with it, and is not asked for. */
export function bulk(asking: Asking, view: View | null, paths: readonly string[], verb: Verb): Bulk {
  const takes: string[] = [];
  const refused: { path: string; why: string }[] = [];
  for (const path of verb === "resume_child" ? paths : outermost(paths)) {
    const row = view?.row(path);
    const action = row && onChild(asking, row).find((one) => one.verb === verb);
    if (action === undefined) continue;
    if (action.refusal === null) takes.push(path);
    else refused.push({ path, why: action.refusal });
  }
  return { takes, refused };
}

/** Those of the paths that are not below another of them. */
export function outermost(paths: readonly string[]): string[] {
  const all = new Set(paths);
  return paths.filter((path) => {
    for (let end = path.lastIndexOf("/"); end > 0; end = path.lastIndexOf("/", end - 1))
      if (all.has(path.slice(0, end))) return false;
    return true;
  });
}
