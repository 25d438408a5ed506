import { describe, expect, it } from "vitest";
import { Fleet } from "../../src/fold/fleet.ts";
import type { Target } from "../../src/fold/target.ts";
import { serverMessages } from "./fixtures.ts";
import { event, listed, row, state } from "./make.ts";

function live(): { fleet: Fleet; shop: Target } {
  const fleet = new Fleet();
  fleet.apply({ type: "target_list", targets: [listed("shop")] }, 1000);
  const shop = fleet.targets.get("shop");
  if (shop === undefined) throw new Error("no target");
  fleet.apply({ type: "state", target_id: "shop", state: state("shop", [row("/"), row("/db")]) }, 1000);
  return { fleet, shop };
}

const record = (sequence: number, more: object = {}) => event("/db", "ChildReady", {}, { sequence, ...more });
const push = (fleet: Fleet, sequence: number) =>
  fleet.apply({ type: "event", target_id: "shop", event: record(sequence) }, 2000);
const give = (fleet: Fleet, stream_epoch: string, sequence: number) => {
  const one = state("shop", [row("/")], { recent_events: [record(sequence)] });
  fleet.apply({ type: "state", target_id: "shop", state: one, stream_epoch }, 9000);
};
/** The sequences of the kept events, and what else is kept by its name. */
const told = (target: Target) =>
  target.history.map((entry) => (entry.is === "event" ? entry.event.sequence : entry.is));
const gaps = (target: Target) => target.history.flatMap((entry) => (entry.is === "gap" ? [entry.gap] : []));

describe("the fleet", () => {
  it("folds every message in the fixtures", () => {
    const fleet = new Fleet();
    for (const message of serverMessages()) fleet.apply(message, 1000);
    const shop = fleet.targets.get("shop");
    expect([...fleet.targets.keys()]).toEqual(["shop", "gone"]);
    expect(shop?.connection).toBe("reconnecting");
    expect(shop?.view?.dropped).toEqual({ events: 0, logs: 9 });
    expect(shop?.history.map((entry) => entry.is)).toEqual([
      "event",
      "log",
      "connection",
      "restarted",
      "gap",
    ]);
    expect(fleet.audit.map((audit) => audit.command_id)).toEqual(["c-1"]);
  });

  it("drops a target that is no longer listed and keeps what is known of the others", () => {
    const { fleet, shop } = live();
    fleet.apply({ type: "target_list", targets: [listed("shop"), listed("mail")] }, 3000);
    expect(fleet.targets.get("shop")).toBe(shop);
    fleet.apply({ type: "target_list", targets: [listed("mail")] }, 3000);
    expect([...fleet.targets.keys()]).toEqual(["mail"]);
    push(fleet, 1);
    expect(fleet.targets.size).toBe(1);
  });

  it("counts a hole in the sequence as lost, exactly, and takes nothing twice", () => {
    const { fleet, shop } = live();
    for (const sequence of [3, 4, 4, 3, 9, 10]) push(fleet, sequence);
    expect(gaps(shop)).toEqual([{ from: 5, to: 8 }]);
    expect(shop.view?.gap("events")).toEqual({ from: 5, to: 8 });
    expect(shop.history.filter((entry) => entry.is === "event")).toHaveLength(4);
  });

  it("does not take what a filter leaves out for lost", () => {
    const { fleet, shop } = live();
    fleet.filtered = true;
    for (const sequence of [3, 9]) push(fleet, sequence);
    expect(gaps(shop)).toEqual([]);
  });

  it("after a filter does not take what it left out for lost, and after that every hole again", () => {
    const { fleet, shop } = live();
    const filter = (severities: string[]) =>
      fleet.apply(
        {
          type: "filter_applied",
          log_event_filter_conditions: {
            target_ids: [],
            child_paths: [],
            lifecycle_states: [],
            event_types: [],
            severities,
          },
          filter_config_version: 4,
        },
        1,
      );
    push(fleet, 3);
    filter(["error"]);
    push(fleet, 9);
    filter([]);
    push(fleet, 20);
    expect(gaps(shop)).toEqual([]);
    push(fleet, 22);
    expect(gaps(shop)).toEqual([{ from: 21, to: 21 }]);
  });

  it("draws the gap that the relay tells, once", () => {
    const { fleet, shop } = live();
    push(fleet, 3);
    fleet.apply({ type: "gap", target_id: "shop", stream: "events", from: 4, to: 9 }, 2000);
    push(fleet, 10);
    expect(gaps(shop)).toEqual([{ from: 4, to: 9 }]);
  });

  it("takes another life of a target for one, whatever its sequences are", () => {
    const { fleet, shop } = live();
    give(fleet, "a", 5);
    give(fleet, "b", 900);
    push(fleet, 1);
    expect(told(shop)).toEqual([5, "restarted", 1]);
    fleet.apply({ type: "stream_began", target_id: "shop", stream_epoch: "c" }, 9000);
    give(fleet, "c", 2);
    push(fleet, 1);
    push(fleet, 2);
    expect(told(shop)).toEqual([5, "restarted", 1, "restarted", 1, 2]);
  });

  it("keeps what the relay sends upon a reconnect, also what is older than what the state holds", () => {
    const { fleet, shop } = live();
    give(fleet, "a", 40);
    push(fleet, 41);
    give(fleet, "a", 300);
    push(fleet, 42);
    push(fleet, 43);
    expect(told(shop)).toEqual([40, 41, 42, 43]);
  });

  it("counts what was missed while it was not connected, by the next state", () => {
    const { fleet, shop } = live();
    push(fleet, 3);
    const later = state("shop", [row("/"), row("/db")], { recent_events: [record(1207), record(1208)] });
    fleet.apply({ type: "state", target_id: "shop", state: later }, 9000);
    expect(gaps(shop)).toEqual([{ from: 4, to: 1206 }]);
  });

  it("takes a target whose sequences begin anew for started again, not for lost", () => {
    const { fleet, shop } = live();
    push(fleet, 500);
    const anew = state("shop", [row("/")], { recent_events: [record(1), record(2)] });
    fleet.apply({ type: "state", target_id: "shop", state: anew }, 9000);
    expect(gaps(shop)).toEqual([]);
    expect(shop.history.map((entry) => entry.is)).toEqual(["event", "restarted", "event", "event"]);
    push(fleet, 3);
    expect(shop.history.at(-1)).toMatchObject({ is: "event", event: { sequence: 3 } });
  });

  it("says when a target was last heard of, and a change of the connection is no word of the target", () => {
    const { fleet, shop } = live();
    push(fleet, 1);
    expect(shop.heardAt).toBe(2000);
    fleet.apply({ type: "connection_state", target_id: "shop", state: "unavailable" }, 5000);
    expect([shop.heardAt, shop.connection]).toEqual([2000, "unavailable"]);
    expect(shop.history.at(-1)).toEqual({ is: "connection", at: 5000 * 1e6, state: "unavailable" });
  });

  it("of a target that is lost shows how old the state is that the relay kept", () => {
    const fleet = new Fleet();
    fleet.apply(
      { type: "target_list", targets: [listed("shop", { connection_state: "unavailable" })] },
      90_000,
    );
    const kept = state("shop", [row("/")], { generated_at_unix_nanos: 48_000e6 });
    fleet.apply({ type: "state", target_id: "shop", state: kept }, 90_000);
    expect(fleet.targets.get("shop")?.heardAt).toBe(48_000);
  });

  it("keeps a bounded history", () => {
    const { fleet, shop } = live();
    for (let sequence = 1; sequence <= 25_000; sequence++) push(fleet, sequence);
    expect(shop.history.length).toBeLessThanOrEqual(10_000);
    expect(shop.history.at(-1)).toMatchObject({ event: { sequence: 25_000 } });
  });

  it("has one record of the audit for a command, that of how it went last", () => {
    const { fleet } = live();
    const audit = {
      audit_id: "7",
      identity: "ann",
      target_id: "shop",
      command_id: "c",
      command: "restart_child",
      target: "/db",
      reason: "stuck",
      occurred_at_unix_nanos: 1,
    };
    fleet.apply({ type: "audit_event", target_id: "shop", audit: { ...audit, result: "accepted" } }, 1);
    fleet.apply({ type: "audit_event", target_id: "shop", audit: { ...audit, result: "accepted" } }, 2);
    const say = (audit_id: string, more: object) =>
      fleet.apply(
        { type: "audit_event", target_id: "shop", audit: { ...audit, audit_id, ...more } as never },
        3,
      );
    say("8", { result: "rejected", identity: "eve" });
    say("9", { result: "completed" });
    say("9", { result: "completed" });
    // The same id given again is another command.
    say("10", { result: "rejected" });
    expect(fleet.audit.map((one) => `${one.audit_id} ${one.identity} ${one.result}`)).toEqual([
      "8 eve rejected",
      "9 ann completed",
      "10 ann rejected",
    ]);
  });

  it("counts restarts in the bars of their time", () => {
    const { fleet, shop } = live();
    const at = (ms: number, sequence: number) =>
      fleet.apply(
        {
          type: "event",
          target_id: "shop",
          event: event("/db", "ChildRestarting", {}, { sequence, occurred_at_unix_nanos: ms * 1e6 }),
        },
        ms,
      );
    const now = 1_763_750_000_000;
    [now, now - 1, now - 20_000, now - 280_000, now - 320_000].forEach((ms, place) => at(ms, place + 1));
    const bars = shop.restarts(now);
    expect(bars).toHaveLength(15);
    expect(bars.reduce((sum, bar) => sum + bar)).toBe(4);
    expect(bars[0]).toBe(1);
  });
});
