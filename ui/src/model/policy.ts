// How a child is looked after, and where each value comes from: as its target says when it is asked, or, of a target that
// does not say, as far as its events tell the numbers that decided something.

import { nanos } from "../conn/read.ts";
import { UNBOUNDED } from "../fold/notes.ts";
import type { EventRecord, Node, PolicyRule } from "../wire.ts";
import { POLICY, criticality } from "../text.ts";
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
      value: criticality(node.criticality),
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

/** A value of a policy in effect, in words. */
export interface Effective {
  readonly key: string;
  readonly name: string;
  readonly value: string;
  readonly source: string;
}

/** What a target says of a policy, in words. What a later version says of it is shown as it came. */
export function effective(rules: readonly PolicyRule[]): Effective[] {
  return rules.map(({ key, value, source, from }) => ({
    key,
    name: Object.hasOwn(POLICY.keys, key) ? (POLICY.keys[key] ?? key) : key,
    value: value.replaceAll("_", " "),
    source: sourceOf(source, from ?? null),
  }));
}

function sourceOf(source: string, from: string | null): string {
  const words = Object.hasOwn(POLICY.sources, source) ? POLICY.sources[source] : undefined;
  return words?.(from) ?? [source, from].filter((part) => part !== null).join(" ");
}
