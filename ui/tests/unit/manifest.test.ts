import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { keys, readManifest, TEMPLATES } from "../../src/model/manifest.ts";
import { check, KEYWORDS, nearest } from "../../src/model/schema.ts";

const NOBODY = new Set<string>();

/** What is said of a manifest, one line for each finding. */
function said(manifest: unknown, siblings: ReadonlySet<string> = NOBODY): string[] {
  const read = readManifest(typeof manifest === "string" ? manifest : JSON.stringify(manifest), siblings);
  return read.is === "good" ? [] : read.findings.map(({ at, text }) => `${at} ${text}`.trim());
}

const WORKER = { name: "worker", kind: "async_worker" };

describe("a mapping with keys of any name", () => {
  it("has values of one kind", () => {
    const schema = { type: "object", additionalProperties: { type: "string" } };
    expect(check({ A: "x", B: 1 }, schema, schema).map(({ at }) => at)).toEqual(["/B"]);
  });
});

describe("a manifest", () => {
  it("is good when it follows the schema", () => {
    expect(said(WORKER)).toEqual([]);
    const whole = {
      name: "web",
      kind: "process",
      command: ["/usr/bin/web", "--port", "80"],
      budget: { max_restarts: 5, window_secs: 60 },
      readiness: { log_line: "READY" },
      ready_within_secs: "infinity",
      shutdown: { graceful_timeout_ms: "brutal" },
      success_exit_codes: [0, 3],
      dependencies: ["db", { name: "migrate", condition: "completed" }],
    };
    expect(said(whole)).toEqual([]);
    expect(said({ name: "s", kind: "supervisor", budget: "unlimited", children: [WORKER] })).toEqual([]);
  });

  it.each<[string, unknown, RegExp]>([
    ["no JSON", "{", /^It is no JSON/],
    ["no object", "[]", /^must be an object$/],
    ["without kind", { name: "a" }, /^the key kind is missing\. What runs\.$/],
    [
      "a key with a slip",
      { ...WORKER, restart_polcy: "permanent" },
      /^there is no key restart_polcy; the nearest is restart_policy$/,
    ],
    ["a key like nothing", { ...WORKER, zzzzzzzz: 1 }, /^there is no key zzzzzzzz$/],
    [
      "an unknown kind",
      { ...WORKER, kind: "thread" },
      /^\/kind must be one of: "async_worker", "blocking_worker", "supervisor", "process"$/,
    ],
    ["an empty name", { ...WORKER, name: "" }, /^\/name must not be empty$/],
    ["a name with a slash", { ...WORKER, name: "a/b" }, /^\/name “a\/b” is not allowed/],
    ["a text for a list", { ...WORKER, tags: "x" }, /^\/tags must be a list$/],
    [
      "a number too large",
      { ...WORKER, success_exit_codes: [0, 256] },
      /^\/success_exit_codes\/1 must be at most 255$/,
    ],
    [
      "nothing for more than nothing",
      { ...WORKER, budget: { max_restarts: 1, window_secs: 0 } },
      /^\/budget\/window_secs must be more than 0$/,
    ],
    [
      "deep below",
      { name: "s", kind: "supervisor", children: [{ ...WORKER, kindd: 1 }] },
      /^\/children\/0 there is no key kindd; the nearest is kind$/,
    ],
    ["__proto__", '{"name":"a","kind":"process","__proto__":{}}', /^there is no key __proto__/],
  ])("with %s says where and what would be right", (_, manifest, words) => {
    expect(said(manifest)).toEqual([expect.stringMatching(words)]);
  });

  it("may not have the name of a sibling", () => {
    expect(said(WORKER, new Set(["worker"]))).toEqual(["/name There is a child called worker already."]);
  });

  it("begins as one of its kinds, which needs only a name", () => {
    for (const { text } of TEMPLATES) {
      expect(said(text)).toEqual(["/name must not be empty"]);
      expect(said(text.replace('"name": ""', '"name": "a"'))).toEqual([]);
    }
  });

  it("has its keys explained", () => {
    const all = keys();
    expect(all.filter((key) => key.needed).map((key) => key.name)).toEqual(["kind", "name"]);
    expect(all.every((key) => key.text.length > 5)).toBe(true);
  });
});

describe("the checker", () => {
  it("knows every keyword of the schema, so that none is passed by", () => {
    const schema: unknown = JSON.parse(
      readFileSync(new URL("../../../docs/stack.schema.json", import.meta.url), "utf8"),
    );
    const unknown = new Set<string>();
    const look = (part: unknown): void => {
      if (typeof part !== "object" || part === null) return;
      for (const [key, value] of Object.entries(part)) {
        if (!KEYWORDS.has(key)) unknown.add(key);
        const named = key === "properties" || key === "$defs";
        for (const one of Array.isArray(value) ? value : named ? Object.values(value as object) : [value])
          look(one);
      }
    };
    look(schema);
    expect([...unknown]).toEqual([]);
  });

  it("finds the nearest word only when there is one", () => {
    expect(nearest("budjet", ["backoff", "budget"])).toBe("budget");
    expect(nearest("xyz", ["backoff", "budget"])).toBeNull();
  });
});
