// The audit as it is looked through and shown.

import { nanos } from "../conn/read.ts";
import { type Shape, AUDIT } from "../text.ts";
import type { AuditEvent, AuditQuery, AuditRow } from "../wire.ts";

/** How each result is shown. */
export const RESULTS: Readonly<Record<string, { readonly shape: Shape; readonly tone: string }>> = {
  completed: { shape: "check", tone: "text-good" },
  accepted: { shape: "clock", tone: "text-accent" },
  rejected: { shape: "cross", tone: "text-bad" },
  failed: { shape: "cross", tone: "text-bad" },
  unknown: { shape: "diamond", tone: "text-warn" },
};

/** Something that was asked for: told when it happened, or looked up. */
export type Asked = AuditEvent | AuditRow;

/** What is looked for. An empty text says nothing; a time is written as in `2026-11-22T12:30Z`. */
export interface Search {
  /** Part of any text. */
  readonly words: string;
  readonly who: string;
  readonly what: string;
  readonly target: string;
  readonly result: string;
  /** Then or later. */
  readonly since: string;
  /** Before. */
  readonly until: string;
}

/** What an address looks for; `of` is the one target whose audit it is, `null` for all. */
export function searchOf(of: string | null, choice: (key: string) => string): Search {
  return {
    words: choice("words"),
    who: choice("who"),
    what: choice("what"),
    target: of ?? choice("target"),
    result: choice("result"),
    since: choice("since"),
    until: choice("until"),
  };
}

/** How many conditions beside the words and the result. */
export function conditionsIn(search: Search, of: string | null): number {
  const { who, what, target, since, until } = search;
  return [who, what, of === null ? target : "", since, until].filter((one) => one !== "").length;
}

/** The same search as the relay is asked. */
export function toQuery(
  search: Search,
  id: string,
  limit: number,
  before: string | null,
): AuditQuery & { readonly type: "audit_query" } {
  const { words, who, what, target, result } = search;
  const [since, until] = [timeOf(search.since), timeOf(search.until)];
  return {
    type: "audit_query",
    query_id: id,
    limit,
    ...(words.trim() !== "" && { text: words.trim() }),
    ...(who !== "" && { identity: who }),
    ...(what !== "" && { command: what }),
    ...(target !== "" && { target_id: target }),
    ...(result !== "" && { result }),
    ...(since !== null && { since_unix_nanos: `${since}000000` }),
    ...(until !== null && { until_unix_nanos: `${until}000000` }),
    ...(before !== null && { before }),
  };
}

/** Whether a record is what is looked for, by the rules of the relay. */
export function fits(one: Asked, search: Search): boolean {
  const at = (nanos(one.occurred_at_unix_nanos) ?? 0) / 1e6;
  const [since, until] = [timeOf(search.since), timeOf(search.until)];
  const words = search.words.trim().toLowerCase();
  return (
    (search.who === "" || one.identity === search.who) &&
    (search.what === "" || one.command === search.what) &&
    (search.target === "" || one.target_id === search.target) &&
    (search.result === "" || one.result === search.result) &&
    (since === null || at >= since) &&
    (until === null || at < until) &&
    (words === "" || textOf(one).includes(words))
  );
}

/** What was told since, and what was looked up, the newest first, each once. */
export function merged(told: readonly AuditEvent[], past: readonly AuditRow[], search: Search): Asked[] {
  // What is older than all that was looked up waits until it is asked for: between them something may be missing.
  const newest = past[0] === undefined ? 0 : Number(past[0].audit_id);
  const had = new Set(past.map((one) => `${one.target_id} ${one.audit_id}`));
  const fresh = told.filter(
    (one) =>
      fits(one, search) &&
      !had.has(`${one.target_id} ${one.audit_id}`) &&
      (past.length === 0 || Number(one.audit_id) > newest),
  );
  const settled = new Set(fresh.filter((one) => one.result !== "accepted").map(commandOf));
  const going = (one: Asked) => one.result === "accepted" && settled.has(commandOf(one));
  return [...fresh.toReversed(), ...past.filter((one) => !going(one))];
}

/** Names the command of a record, and who gave it. */
export function commandOf(one: Asked): string {
  return [one.target_id, one.identity, one.command_id ?? ""].join("\u0000");
}

/** Whom a record is about. A target of another kind may write anything there. */
export function subject(
  one: Asked,
): { readonly is: "child"; readonly path: string } | { readonly is: "other"; readonly text: string } {
  const of: unknown = one.target;
  if (typeof of === "string")
    return of.startsWith("/") ? { is: "child", path: of } : { is: "other", text: of };
  return { is: "other", text: of == null ? AUDIT.tree : JSON.stringify(of) };
}

/** A time of an address in milliseconds; `null` when it is none. */
export function timeOf(text: string): number | null {
  const at = text === "" ? NaN : Date.parse(text);
  return Number.isFinite(at) && at >= 0 ? at : null;
}

/** A time of an address as a field for local times has it. */
export function toField(text: string): string {
  const at = timeOf(text);
  if (at === null) return "";
  const local = new Date(at - new Date(at).getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 16);
}

/** A local time of a field as it stands in the address. */
export function fromField(text: string): string {
  const at = timeOf(text);
  return at === null ? "" : `${new Date(at).toISOString().slice(0, 16)}Z`;
}

function textOf(one: Asked): string {
  const about = subject(one);
  const whom = about.is === "child" ? about.path : about.text;
  const error = "error" in one ? [one.error?.code, one.error?.message] : [];
  return [one.identity, one.target_id, one.command, whom, one.reason, one.command_id, ...error]
    .filter((part) => part != null)
    .join("\n")
    .toLowerCase();
}
