// The audit: what is looked for, what was told and what was looked up in one list, and one question at a time.

import { describe, expect, it } from "vitest";
import { PAGE, Past } from "../../src/fold/past.ts";
import {
  type Search,
  conditionsIn,
  fits,
  fromField,
  merged,
  searchOf,
  subject,
  timeOf,
  toField,
  toQuery,
} from "../../src/model/audit.ts";
import type { AuditEvent, AuditQuery, AuditRow, ServerMessage } from "../../src/wire.ts";
import { asked, page } from "../fake/audit.ts";

const NO_SEARCH: Search = searchOf(null, () => "");

function told(audit_id: string, more: Partial<AuditEvent> = {}): AuditEvent {
  return {
    audit_id,
    identity: "ana",
    target_id: "shop",
    command_id: `c-${audit_id}`,
    command: "restart_child",
    target: "/a",
    reason: "stuck",
    result: "completed",
    occurred_at_unix_nanos: Number(audit_id) * 60e9,
    ...more,
  };
}

function row(audit_id: string, more: Partial<AuditRow> = {}): AuditRow {
  return { ...told(audit_id), entry: "outcome", role: "operator", target: "/a", ...more };
}

const ids = (all: readonly { readonly audit_id: string }[]) => all.map((one) => one.audit_id);

describe("a search", () => {
  const all = [
    told("1"),
    told("2", { identity: "bob", result: "rejected" }),
    told("3", { target_id: "mail", command: "pause_child" }),
  ];

  it.each([
    [{}, ["3", "2", "1"]],
    [{ target: "shop" }, ["2", "1"]],
    [{ result: "rejected" }, ["2"]],
    [{ who: "bob" }, ["2"]],
    [{ who: "bo" }, []],
    [{ what: "pause_child" }, ["3"]],
    [{ words: " BOB " }, ["2"]],
    [{ words: "c-3" }, ["3"]],
    [{ words: "nobody" }, []],
    [{ since: "1970-01-01T00:02Z" }, ["3", "2"]],
    [{ until: "1970-01-01T00:02Z" }, ["1"]],
    [{ since: "never" }, ["3", "2", "1"]],
  ])("for %o finds what is told, the newest first", (some, expected) => {
    expect(ids(merged(all, [], { ...NO_SEARCH, ...some }))).toEqual(expected);
  });

  it("finds among what was told what the relay finds", () => {
    const rows = asked(300, 1_800_000_000_000);
    const searches: Partial<Search>[] = [
      {},
      { who: "bob", result: "rejected" },
      { words: "VIEWER", what: "pause_child" },
      { target: "mail-gw", since: "2027-01-15T06:00Z", until: "2027-01-15T07:00Z" },
    ];
    for (const some of searches) {
      const search = { ...NO_SEARCH, ...some };
      const found = page(rows, { ...toQuery(search, "q", 200, null), limit: 300 }).records;
      expect(ids(rows.filter((one) => fits(one, search)).toReversed())).toEqual(ids(found));
      expect(found.length).toBeGreaterThan(0);
    }
  });

  it("is asked of the relay with what it says only", () => {
    expect(toQuery(NO_SEARCH, "q-1", 5, null)).toEqual({ type: "audit_query", query_id: "q-1", limit: 5 });
    const search = {
      words: " stuck ",
      who: "ana",
      what: "restart_child",
      target: "shop",
      result: "failed",
      since: "2026-11-22T12:30Z",
      until: "2026-11-22T12:31Z",
    };
    expect(toQuery(search, "q-2", 5, "41")).toEqual({
      type: "audit_query",
      query_id: "q-2",
      limit: 5,
      text: "stuck",
      identity: "ana",
      command: "restart_child",
      target_id: "shop",
      result: "failed",
      since_unix_nanos: `${Date.UTC(2026, 10, 22, 12, 30)}000000`,
      until_unix_nanos: `${Date.UTC(2026, 10, 22, 12, 31)}000000`,
      before: "41",
    });
  });

  it("of one target does not count that target as a condition", () => {
    const search = searchOf("shop", (key) => (key === "who" ? "ana" : key === "target" ? "mail" : ""));
    expect(search.target).toBe("shop");
    expect(conditionsIn(search, "shop")).toBe(1);
    expect(conditionsIn({ ...search, target: "mail" }, null)).toBe(2);
  });

  it("has times that lead back to themselves, whatever the place of the reader", () => {
    expect(fromField(toField("2026-11-22T12:30Z"))).toBe("2026-11-22T12:30Z");
    expect([toField("soon"), fromField(""), timeOf("")]).toEqual(["", "", null]);
  });
});

describe("what was told and what was looked up", () => {
  it("is one list, each record once", () => {
    const list = merged([told("8"), told("9"), told("10")], [row("9"), row("8"), row("7")], NO_SEARCH);
    expect(ids(list)).toEqual(["10", "9", "8", "7"]);
  });

  it("has one row for a command whose outcome came after it was looked up", () => {
    const ended = told("10", { command_id: "c-9" });
    expect(ids(merged([ended], [row("9", { result: "accepted" }), row("8")], NO_SEARCH))).toEqual([
      "10",
      "8",
    ]);
    // Another command under the same id is another row.
    const other = told("10", { command_id: "c-9", identity: "eve" });
    expect(ids(merged([other], [row("9", { result: "accepted" })], NO_SEARCH))).toEqual(["10", "9"]);
  });

  it("leaves out what is older than what was looked up and not in it: something may be missing between", () => {
    expect(ids(merged([told("2")], [row("9"), row("8")], NO_SEARCH))).toEqual(["9", "8"]);
  });

  it("shows whom it is about, whatever a target writes there", () => {
    expect(subject(told("1"))).toEqual({ is: "child", path: "/a" });
    expect(subject(told("1", { target: null }))).toEqual({ is: "other", text: "the tree" });
    expect(subject(told("1", { target: { x: 1 } }))).toEqual({ is: "other", text: '{"x":1}' });
  });
});

describe("the past", () => {
  function past(rows: readonly AuditRow[]) {
    const open: AuditQuery[] = [];
    const state = { live: true };
    const past = new Past((query) => state.live && open.push(query) > 0);
    const answer = () => {
      const query = open.shift();
      return query !== undefined && past.hear(page(rows, query) as ServerMessage);
    };
    return { past, open, answer, state };
  }

  it("comes page by page, the newest first, to its end", () => {
    const { past: it, answer } = past(asked(PAGE + 20, 1e12));
    it.want(NO_SEARCH);
    expect(it.standing).toEqual({ is: "asking" });
    answer();
    expect([it.rows.length, it.rows[0]?.audit_id]).toEqual([PAGE, String(PAGE + 20)]);
    expect(it.standing).toEqual({ is: "had", more: true });
    it.more();
    answer();
    expect([it.rows.length, it.rows.at(-1)?.audit_id]).toEqual([PAGE + 20, "1"]);
    expect(it.standing).toEqual({ is: "had", more: false });
  });

  it("asks one question at a time, and of many searches the last", () => {
    const { past: it, open, answer } = past(asked(50, 1e12));
    it.want(NO_SEARCH);
    it.want({ ...NO_SEARCH, who: "b" });
    it.want({ ...NO_SEARCH, who: "bob" });
    expect(open).toHaveLength(1);
    answer();
    expect(it.rows).toEqual([]);
    expect(open).toMatchObject([{ identity: "bob" }]);
    answer();
    expect(new Set(it.rows.map((one) => one.identity))).toEqual(new Set(["bob"]));
    expect(it.standing).toEqual({ is: "had", more: false });
  });

  it("asks nothing for nobody, and the same thing once", () => {
    const { past: it, open, answer } = past([]);
    it.want(null);
    it.want(NO_SEARCH);
    answer();
    it.want({ ...NO_SEARCH });
    expect(open).toEqual([]);
  });

  it("says why it was refused, and can be asked again", () => {
    const { past: it, open, answer } = past(asked(3, 1e12));
    it.want(NO_SEARCH);
    const error = {
      code: "x",
      stage: "audit",
      target_id: null,
      message: "no disk",
      retryable: true,
    } as never;
    expect(it.hear({ type: "error", error, command_id: "another" })).toBe(false);
    expect(it.hear({ type: "error", error, command_id: open.shift()?.query_id ?? "" })).toBe(true);
    expect(it.standing).toEqual({ is: "refused", why: "no disk" });
    it.more();
    answer();
    expect(it.rows).toHaveLength(3);
  });

  it("is looked up anew when the relay is there again, and stays in sight until then", () => {
    const { past: it, open, answer, state } = past(asked(3, 1e12));
    it.want(NO_SEARCH);
    answer();
    state.live = false;
    it.more();
    state.live = true;
    it.live();
    expect(it.rows).toHaveLength(3);
    expect(open).toMatchObject([{ limit: PAGE }]);
    expect(open[0]?.before).toBe(undefined);
    answer();
    expect(it.rows).toHaveLength(3);
  });
});
