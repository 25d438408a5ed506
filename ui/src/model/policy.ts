// What is known of how a child is looked after, and where each value was told. The wire does not have the policy of a
// child as such; its events tell the numbers that decided something.

import { nanos } from "../conn/read.ts";
import { UNBOUNDED } from "../fold/notes.ts";
import type { EventRecord, Node } from "../wire.ts";
import { POLICY } from "../text.ts";
import { span } from "./time.ts";

/** One value of a policy. */
export interface Rule {
  readonly name: string;
  readonly value: string;
  /** The event that told it; `null`: the topology. */
  readonly event: string | null;
  /** When it was told, in Unix nanoseconds. */
  readonly at: number | null;
}

/** Which number of which event tells what. */
const TOLD: readonly {
  readonly key: string;
  readonly name: string;
  readonly read: (value: number) => string;
}[] = [
  { key: "budget_max", name: POLICY.budget, read: (value) => POLICY.restarts(value) },
  { key: "window_ms", name: POLICY.window, read: (value) => span(value) },
  { key: "delay_ms", name: POLICY.delay, read: (value) => span(value) },
  { key: "grace_ms", name: POLICY.grace, read: (value) => span(value) },
  { key: "allowed", name: POLICY.misses, read: (value) => String(value) },
];

/** What is known of a child's policy from its node and its events, the newest word for each. */
export function policy(node: Node | undefined, events: readonly EventRecord[]): Rule[] {
  const rules: Rule[] = [];
  if (node !== undefined)
    rules.push({
      name: POLICY.criticality,
      value: node.criticality.replaceAll("_", " "),
      event: null,
      at: null,
    });
  for (const { key, name, read } of TOLD) {
    const event = events.findLast((one) => typeof one.payload?.[key] === "number");
    const value = event?.payload?.[key];
    if (event === undefined || typeof value !== "number") continue;
    const at = nanos(event.occurred_at_unix_nanos);
    rules.push({
      name,
      value: value === UNBOUNDED ? POLICY.unbounded : read(value),
      event: event.event_type,
      at,
    });
  }
  return rules;
}
