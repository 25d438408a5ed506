import { beforeEach, describe, expect, it } from "vitest";
import { Reasons } from "../../src/fold/reasons.ts";
import { effective } from "../../src/model/policy.ts";
import type { ServerMessage, WhyQuery } from "../../src/wire.ts";

const API = { target: "shop", path: "/api", version: "1" };

let sent: WhyQuery[];
let reasons: Reasons;

function answer(query: WhyQuery | undefined, policy: unknown): boolean {
  const { query_id, target_id, child_path } = query ?? { query_id: "none", target_id: "", child_path: "" };
  const why = { child_path, sentence: "so", chain: [], next: "nothing", policy };
  return reasons.hear({ type: "why_answer", query_id, target_id, why } as unknown as ServerMessage);
}

function refuse(query: WhyQuery | undefined, code: string): boolean {
  const error = { code, stage: "x", target_id: null, message: "it is gone", retryable: true };
  return reasons.hear({ type: "error", command_id: query?.query_id ?? "none", error } as ServerMessage);
}

beforeEach(() => {
  sent = [];
  reasons = new Reasons((query) => sent.push(query) > 0);
});

describe("the policy of a child", () => {
  const policy = { child: [], supervisor: [] };

  it("is asked for once, and again for another child or another version of the spec", () => {
    reasons.want(API);
    reasons.want({ ...API });
    expect(sent.map(({ child_path }) => child_path)).toEqual(["/api"]);
    expect(answer(sent[0], policy)).toBe(true);
    expect(reasons.standing).toEqual({ is: "had", policy });
    reasons.want({ ...API, version: "2" });
    expect(reasons.standing.is, "what was had stays in sight").toBe("had");
    answer(sent[1], policy);
    reasons.want({ ...API, path: "/db" });
    expect(reasons.standing.is, "another child's is not shown").toBe("asking");
    expect(sent.map(({ child_path }) => child_path)).toEqual(["/api", "/api", "/db"]);
  });

  it("is asked for one at a time: an answer that is no longer wanted is not shown", () => {
    reasons.want(API);
    reasons.want({ ...API, path: "/db" });
    expect(sent).toHaveLength(1);
    answer(sent[0], policy);
    expect(reasons.standing.is).toBe("asking");
    expect(sent[1]?.child_path).toBe("/db");
  });

  it("says when the target does not tell it, and why it was refused", () => {
    reasons.want(API);
    refuse(sent[0], "unsupported_method");
    expect(reasons.standing.is).toBe("untold");
    reasons.again();
    answer(sent[1], undefined);
    expect(reasons.standing.is).toBe("untold");
    reasons.again();
    refuse(sent[2], "target_unavailable");
    expect(reasons.standing).toEqual({ is: "refused", why: "it is gone" });
  });

  it("is asked for again when the relay is there again", () => {
    reasons.want(API);
    reasons.live();
    expect(sent).toHaveLength(2);
    expect(answer(sent[0], policy), "an answer to a lost question").toBe(false);
    expect(answer(sent[1], policy)).toBe(true);
  });

  it("leaves the answers to others' questions alone", () => {
    reasons.want(API);
    expect(refuse(undefined, "validation_failed")).toBe(false);
  });
});

describe("a policy in words", () => {
  const words = (source: string, from?: string) => {
    const [rule] = effective([{ key: "restart_policy", value: "one_for_all", source, from: from ?? null }]);
    return `${rule?.name}: ${rule?.value} – ${rule?.source}`;
  };

  it("says for each kind of source where the value comes from", () => {
    expect(words("child")).toBe("restart: one for all – its own spec");
    expect(words("child", "/")).toMatch(/its own spec, the rest from the defaults of \/$/);
    expect(words("defaults", "/a")).toMatch(/– defaults of \/a$/);
    expect(words("defaults")).toMatch(/– defaults above it$/);
    expect(words("role", "service")).toMatch(/– from its role service$/);
    expect(words("criticality", "optional")).toMatch(/– because it is optional$/);
    expect(words("supervisor", "/a")).toMatch(/– from its supervisor \/a$/);
    expect(words("kind")).toMatch(/– from what it runs$/);
    expect(words("backoff")).toMatch(/– from its back-off$/);
    expect(words("profile", "default")).toMatch(/– built-in default$/);
    expect(words("profile", "otp")).toMatch(/– default of the profile otp$/);
    expect(words("stack_file")).toMatch(/– default of a stack file$/);
  });

  it("shows what a later version says as it came", () => {
    expect(words("moon", "full")).toMatch(/– moon full$/);
    expect(effective([{ key: "constructor", value: "x", source: "toString", from: null }])).toEqual([
      { key: "constructor", name: "constructor", value: "x", source: "toString" },
    ]);
  });
});
