// Reading what a relay sends. What it sends is trusted to have the shape of the wire, as far as it was looked at here.

import type { ServerMessage, Stream, StreamWord } from "../wire.ts";

/** What a frame holds. A relay of a later version may say more than is known here. */
export type Read =
  | { readonly is: "known"; readonly message: ServerMessage }
  | { readonly is: "later" }
  | { readonly is: "broken"; readonly why: string };

/** For each type of message the keys that must be there, and whether each is an object, an array or anything. */
const SHAPES: Readonly<Record<ServerMessage["type"], Readonly<Record<string, "object" | "array" | "any">>>> =
  {
    server_hello: { session_id: "any", client_identity: "any", filter_config_version: "any" },
    target_list: { targets: "array" },
    state: { target_id: "any", state: "object" },
    event: { target_id: "any", event: "object" },
    log: { target_id: "any", log: "object" },
    state_delta: { target_id: "any", delta: "object" },
    connection_state: { target_id: "any", state: "any" },
    stream_began: { target_id: "any", stream_epoch: "any" },
    gap: { target_id: "any", stream: "any", from: "any", to: "any" },
    filter_applied: { log_event_filter_conditions: "object" },
    dropped_count: { target_id: "any", dropped_event_count: "any" },
    heartbeat: { at_unix_nanos: "any" },
    audit_event: { target_id: "any", audit: "object" },
    audit_page: { query_id: "any", records: "array" },
    why_answer: { query_id: "any", why: "object" },
    command_result: { target_id: "any", result: "object" },
    error: { error: "object" },
  };

/** Reads one text frame. */
export function read(frame: string): Read {
  let value: unknown;
  try {
    value = JSON.parse(frame);
  } catch {
    return broken("a frame that is no JSON");
  }
  if (!isObject(value) || typeof value["type"] !== "string") return broken("a frame without a type");
  const type = value["type"];
  if (!Object.hasOwn(SHAPES, type)) return { is: "later" };
  for (const [key, kind] of Object.entries(SHAPES[type as ServerMessage["type"]])) {
    if (!fits(value[key], kind)) return broken(`a message ${type} without a good ${key}`);
  }
  return { is: "known", message: value as unknown as ServerMessage };
}

function fits(value: unknown, kind: "object" | "array" | "any"): boolean {
  if (kind === "array") return Array.isArray(value);
  if (kind === "object") return isObject(value);
  return value !== undefined;
}

/** Whether a value is an object with keys. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Whether a stream is one that is known. */
export function isStream(word: StreamWord): word is Stream {
  return word === "events" || word === "logs";
}

/**
 * A time on the wire, an integer or a decimal string, in nanoseconds; `null` when it is neither. A number of this size
 * is exact to 256 ns, which is finer than anything that is shown.
 */
export function nanos(value: unknown): number | null {
  const number = typeof value === "string" && /^[0-9]{1,20}$/.test(value) ? Number(value) : value;
  return typeof number === "number" && Number.isFinite(number) ? number : null;
}

function broken(why: string): Read {
  return { is: "broken", why };
}
