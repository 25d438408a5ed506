// The manifest of a child that is to be added: what it begins with, which keys there are, and what is wrong with it.
// The rules are those of `docs/stack.schema.json`, which the target checks with too.

import stack from "../../../docs/stack.schema.json";
import { MANIFEST } from "../text.ts";
import { check, type Finding, plain, type Schema } from "./schema.ts";

const ROOT = stack as Schema;
const CHILD: Schema = { $ref: "#/$defs/ChildManifest" };

/** What an editor begins with, by the word of the button that puts it there. */
export const TEMPLATES: readonly { readonly name: string; readonly text: string }[] = [
  { name: MANIFEST.program, text: pretty({ name: "", kind: "process", command: ["/usr/bin/env", "true"] }) },
  { name: MANIFEST.task, text: pretty({ name: "", kind: "async_worker", factory: "" }) },
  { name: MANIFEST.supervisor, text: pretty({ name: "", kind: "supervisor", children: [] }) },
];

/** A key that a manifest may have. */
export interface Key {
  readonly name: string;
  readonly needed: boolean;
  readonly text: string;
}

/** The keys, in the order of the schema. */
export function keys(): Key[] {
  const child = plain(CHILD, ROOT);
  return Object.entries(child.properties ?? {}).map(([name, { description }]) => ({
    name,
    needed: child.required?.includes(name) ?? false,
    text: description ?? "",
  }));
}

/** What a manifest says, or what is wrong with it. */
export type Read =
  | { readonly is: "good"; readonly manifest: Readonly<Record<string, unknown>> }
  | { readonly is: "bad"; readonly findings: readonly Finding[] };

/** Reads a manifest. `siblings` are the names that are taken. */
export function readManifest(text: string, siblings: ReadonlySet<string>): Read {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return bad({ at: "", text: MANIFEST.noJson(error instanceof Error ? error.message : "") });
  }
  const findings = check(value, CHILD, ROOT);
  if (findings.length > 0) return { is: "bad", findings };
  const manifest = value as { readonly name: string };
  if (siblings.has(manifest.name)) return bad({ at: "/name", text: MANIFEST.taken(manifest.name) });
  return { is: "good", manifest };
}

function bad(finding: Finding): Read {
  return { is: "bad", findings: [finding] };
}

function pretty(value: unknown): string {
  return JSON.stringify(value, null, 2);
}
