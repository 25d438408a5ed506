// Checks a value against a JSON Schema, as far as this project's schemas go. Its words are those of an operator: each
// finding names the place and what would be right. A test sees to it that no keyword of the schema is passed by.

import { isObject } from "../conn/read.ts";
import { SCHEMA } from "../text.ts";

/** A schema, or a part of one. */
export interface Schema {
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, Schema>>;
  readonly type?: string;
  readonly description?: string;
  readonly const?: unknown;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean | Schema;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly exclusiveMinimum?: number;
  readonly maximum?: number;
}

/** The keywords that are checked, and those that only tell people something. */
export const KEYWORDS: ReadonlySet<string> = new Set([
  "$ref",
  "$defs",
  "type",
  "const",
  "anyOf",
  "oneOf",
  "properties",
  "additionalProperties",
  "required",
  "items",
  "pattern",
  "minimum",
  "exclusiveMinimum",
  "maximum",
  "$schema",
  "title",
  "description",
  "format",
]);

/** What is wrong, and where: `/budget/window_secs`, or empty for the whole. */
export interface Finding {
  readonly at: string;
  readonly text: string;
}

/** Everything that is wrong with a value. `root` holds the definitions. */
export function check(value: unknown, schema: Schema, root: Schema, at = ""): Finding[] {
  const found: Finding[] = [];
  const say = (text: string) => found.push({ at, text });
  if (schema.$ref !== undefined) found.push(...check(value, resolve(schema.$ref, root), root, at));
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined) return [...found, ...oneOf(value, choices, root, at)];
  if (schema.const !== undefined && value !== schema.const) say(SCHEMA.mustBe(String(schema.const)));
  if (schema.type !== undefined && !isOf(value, schema.type)) {
    say(SCHEMA.mustBeA(SCHEMA.types[schema.type] ?? schema.type));
    return found;
  }
  if (typeof value === "string" && schema.pattern !== undefined && !new RegExp(schema.pattern).test(value))
    say(SCHEMA.pattern(value, schema.description ?? schema.pattern));
  if (typeof value === "number") {
    if (schema.minimum !== undefined && value < schema.minimum) say(SCHEMA.least(schema.minimum));
    if (schema.exclusiveMinimum !== undefined && value <= schema.exclusiveMinimum)
      say(SCHEMA.more(schema.exclusiveMinimum));
    if (schema.maximum !== undefined && value > schema.maximum) say(SCHEMA.most(schema.maximum));
  }
  if (Array.isArray(value) && schema.items !== undefined) {
    const { items } = schema;
    value.forEach((one, place) => found.push(...check(one, items, root, `${at}/${place}`)));
  }
  if (isObject(value)) found.push(...checkKeys(value, schema, root, at));
  return found;
}

/** The part of a schema that is meant by `#/$defs/NAME`. */
export function resolve(ref: string, root: Schema): Schema {
  return root.$defs?.[ref.replace("#/$defs/", "")] ?? {};
}

/** The schema behind all references. */
export function plain(schema: Schema, root: Schema): Schema {
  return schema.$ref === undefined ? schema : plain(resolve(schema.$ref, root), root);
}

function checkKeys(value: Record<string, unknown>, schema: Schema, root: Schema, at: string): Finding[] {
  const found: Finding[] = [];
  const known = schema.properties ?? {};
  for (const key of schema.required ?? [])
    if (!Object.hasOwn(value, key))
      found.push({ at, text: SCHEMA.missing(key, known[key]?.description ?? "") });
  for (const [key, one] of Object.entries(value)) {
    const { additionalProperties: more } = schema;
    const of = Object.hasOwn(known, key) ? known[key] : typeof more === "object" ? more : undefined;
    if (of !== undefined) found.push(...check(one, of, root, `${at}/${key}`));
    else if (more === false)
      found.push({ at, text: SCHEMA.unknownKey(key, nearest(key, Object.keys(known))) });
  }
  return found;
}

/** One of several. When none fits, what is wrong with the one that was meant is said, or which words there are. */
function oneOf(value: unknown, choices: readonly Schema[], root: Schema, at: string): Finding[] {
  const tries = choices.map((choice) => ({
    choice: plain(choice, root),
    found: check(value, choice, root, at),
  }));
  if (tries.some(({ found }) => found.length === 0)) return [];
  const meant = tries.filter(
    ({ choice }) => choice.type !== undefined && choice.const === undefined && isOf(value, choice.type),
  );
  const [first] = meant;
  if (first !== undefined && meant.length === 1) return first.found;
  return [{ at, text: SCHEMA.oneOf(wordsOf(choices, root)) }];
}

function wordsOf(choices: readonly Schema[], root: Schema): string[] {
  return choices.flatMap((choice) => {
    const of = plain(choice, root);
    const more = of.anyOf ?? of.oneOf;
    if (more !== undefined) return wordsOf(more, root);
    return [
      of.const === undefined ? (SCHEMA.types[of.type ?? ""] ?? of.type ?? "") : JSON.stringify(of.const),
    ];
  });
}

function isOf(value: unknown, type: string): boolean {
  switch (type) {
    case "object":
      return isObject(value);
    case "array":
      return Array.isArray(value);
    case "integer":
      return Number.isInteger(value);
    default:
      return typeof value === type;
  }
}

/** The known word that is most like one, when one is like it at all. */
export function nearest(word: string, known: readonly string[]): string | null {
  const scored = known.map((one) => ({ one, far: distance(word, one) })).sort((a, b) => a.far - b.far);
  const best = scored[0];
  return best !== undefined && best.far <= Math.max(2, Math.floor(word.length / 3)) ? best.one : null;
}

/** How many letters have to be put in, taken out or changed. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + same));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
