// The filter of the timeline, as it stands in the address of the page and as it is asked of the relay.

import type { Entry } from "../fold/target.ts";
import type { Stream } from "../fold/view.ts";
import type { FilterConditions } from "../wire.ts";
import { say } from "./say.ts";

const LISTS = {
  target: "target_ids",
  path: "child_paths",
  state: "lifecycle_states",
  event: "event_types",
  severity: "severities",
} as const;

/** The keys in the address that are lists. */
export type ListKey = keyof typeof LISTS;

/** What is looked for. An empty list says nothing. */
export type Filter = Readonly<Record<ListKey, readonly string[]>> & { readonly command: string };

export const NO_FILTER: Filter = { target: [], path: [], state: [], event: [], severity: [], command: "" };

/** The severities, from the least. */
export const SEVERITIES = ["trace", "debug", "info", "warning", "error"] as const;
export type Severity = (typeof SEVERITIES)[number];

/** The filter in the query of an address. */
export function fromQuery(query: URLSearchParams): Filter {
  const list = (key: ListKey) => query.getAll(key).filter((value) => value !== "");
  return {
    target: list("target"),
    path: list("path"),
    state: list("state"),
    event: list("event"),
    severity: list("severity"),
    command: query.get("command") ?? "",
  };
}

/** The query for a filter; empty for none. */
export function toQuery(filter: Filter): URLSearchParams {
  const query = new URLSearchParams();
  for (const key of Object.keys(LISTS) as ListKey[])
    for (const value of filter[key]) query.append(key, value);
  if (filter.command !== "") query.set("command", filter.command);
  return query;
}

/** The conditions of a filter one by one, to be shown and taken away. */
export function parts(filter: Filter): { readonly text: string; readonly without: Filter }[] {
  const lists = (Object.keys(LISTS) as ListKey[]).flatMap((key) =>
    filter[key].map((value) => ({ text: `${key} ${value}`, without: without(filter, key, value) })),
  );
  const command = { text: `command ${filter.command}`, without: { ...filter, command: "" } };
  return filter.command === "" ? lists : [...lists, command];
}

/** The filter with one more value in a list; the same when it has it. */
export function including(filter: Filter, key: ListKey, value: string): Filter {
  return value === "" || filter[key].includes(value) ? filter : { ...filter, [key]: [...filter[key], value] };
}

/** The filter without a value. */
export function without(filter: Filter, key: ListKey, value: string): Filter {
  return { ...filter, [key]: filter[key].filter((one) => one !== value) };
}

/** Whether a text is a path of a tree. The relay refuses others, and an address may hold anything. */
export function isPath(text: string): boolean {
  return (
    text.length <= 1_100 && /^\/$|^(\/(?!\.{1,2}(\/|$))[A-Za-z0-9_][A-Za-z0-9._-]{0,63}){1,16}$/.test(text)
  );
}

/** What to ask of the relay; `null` when everything is wanted. */
export function conditions(filter: Filter): FilterConditions | null {
  if (toQuery(filter).size === 0) return null;
  return {
    target_ids: filter.target,
    child_paths: filter.path.filter(isPath),
    lifecycle_states: filter.state,
    event_types: filter.event,
    severities: filter.severity,
    ...(filter.command !== "" && { correlation_id: filter.command }),
  };
}

/** What one person looks for in one list: the conditions, whom it is about, and words in the text. */
export interface Wanted {
  readonly filter: Filter;
  /** Only this child; `null` for everybody. */
  readonly path: string | null;
  readonly stream: Stream | null;
  /** Only what is at least as severe; `null` for all. A filter names severities one by one, this is a threshold. */
  readonly level: Severity | null;
  /** Part of the text, in small letters; empty for all. */
  readonly words: string;
}

/** Whether a row of the history is wanted. The relay leaves out what comes by the same rules; this does it to what was had. */
export function wants(wanted: Wanted, targetId: string, entry: Entry): boolean {
  const { filter, path, stream } = wanted;
  if (!has(filter.target, targetId)) return false;
  // That something is missing, or that it began anew, concerns every list but one of the other stream.
  if (entry.is === "gap") return stream === null || entry.stream === stream;
  if (entry.is === "connection" || entry.is === "restarted") return true;
  if (stream !== null && stream !== (entry.is === "log" ? "logs" : "events")) return false;
  const record = entry.is === "event" ? entry.event : entry.log;
  const about = entry.is === "event" ? entry.event.target_path : entry.log.child_path;
  if (path !== null && about !== path) return false;
  if (!has(filter.path, about) || !has(filter.severity, record.severity)) return false;
  if (wanted.level !== null && below(record.severity, wanted.level)) return false;
  if (filter.command !== "" && record.correlation_id !== filter.command) return false;
  // These two concern events only.
  if (entry.is === "event" && !has(filter.event, entry.event.event_type)) return false;
  if (entry.is === "event" && !has(filter.state, entry.event.payload?.["state"])) return false;
  return wanted.words === "" || textOf(entry).toLowerCase().includes(wanted.words);
}

/** Whether an empty list, or one that holds the value. */
function has(list: readonly string[], value: unknown): boolean {
  return list.length === 0 || (typeof value === "string" && list.includes(value));
}

/** Whether a severity is less than a level. One that is unknown is not. */
function below(severity: string, level: Severity): boolean {
  const at = (SEVERITIES as readonly string[]).indexOf(severity);
  return at >= 0 && at < SEVERITIES.indexOf(level);
}

function textOf(entry: Extract<Entry, { is: "event" | "log" }>): string {
  if (entry.is === "log") return `${entry.log.child_path ?? ""} ${entry.log.message}`;
  return `${entry.event.event_type} ${entry.event.target_path} ${say(entry.event)}`;
}
