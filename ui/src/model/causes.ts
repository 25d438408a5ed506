// The chain of causes that led a child to where it is, the first cause first.

import type { Target } from "../fold/target.ts";
import { CAUSES, ENDED, look } from "../text.ts";

/** One link: who, what, and when in Unix nanoseconds. */
export interface Link {
  readonly path: string | null;
  readonly text: string;
  readonly at: number | null;
}

/** A chain longer than this goes in a circle or helps nobody. */
const MOST = 12;

/** The chain for a child. It has one link when nobody else caused anything. */
export function causes(target: Target, path: string): Link[] {
  const links: Link[] = [];
  const seen = new Set<string>();
  let at: string | null = path;
  while (at !== null && !seen.has(at) && links.length < MOST) {
    seen.add(at);
    const note = target.note(at);
    if (note === undefined) break;
    const state = look(note.state).word;
    const other = note.causePath;
    const cause = note.cause === null ? null : (CAUSES[note.cause] ?? null);
    const ending = note.cause === "exit" || note.causePath === null ? note.ending : null;
    const because = other !== null ? cause : ending !== null ? (ENDED[ending.kind] ?? ending.kind) : cause;
    const said = ending?.message == null || other !== null ? "" : `: ${ending.message}`;
    links.unshift({
      path: at,
      text: because === null ? state : `${state} because ${because}${said}`,
      at: note.since,
    });
    for (const text of [...note.chain].reverse()) links.unshift({ path: null, text, at: null });
    at = other ?? note.nextPath;
  }
  return links;
}
