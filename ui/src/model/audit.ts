// The audit as it is searched and shown.

import { type Shape, AUDIT } from "../text.ts";
import type { AuditEvent } from "../wire.ts";

/** How each result is shown. */
export const RESULTS: Readonly<Record<string, { readonly shape: Shape; readonly tone: string }>> = {
  completed: { shape: "check", tone: "text-good" },
  accepted: { shape: "clock", tone: "text-accent" },
  rejected: { shape: "cross", tone: "text-bad" },
  failed: { shape: "cross", tone: "text-bad" },
  unknown: { shape: "diamond", tone: "text-warn" },
};

/** Whom a record is about. A target of another kind may write anything there. */
export function subject(
  one: AuditEvent,
): { readonly is: "child"; readonly path: string } | { readonly is: "other"; readonly text: string } {
  const of: unknown = one.target;
  if (typeof of === "string")
    return of.startsWith("/") ? { is: "child", path: of } : { is: "other", text: of };
  return { is: "other", text: of == null ? AUDIT.tree : JSON.stringify(of) };
}

/** The records that fit, the newest first. An empty word fits everything. */
export function searched(
  all: readonly AuditEvent[],
  target: string | null,
  result: string,
  words: string,
): AuditEvent[] {
  const wanted = words.trim().toLowerCase();
  return all
    .filter(
      (one) =>
        (target === null || one.target_id === target) &&
        (result === "" || one.result === result) &&
        (wanted === "" || textOf(one).includes(wanted)),
    )
    .reverse();
}

function textOf(one: AuditEvent): string {
  const about = subject(one);
  const whom = about.is === "child" ? about.path : about.text;
  return [one.identity, one.target_id, one.command, whom, one.reason, one.result, one.command_id]
    .join(" ")
    .toLowerCase();
}
