import { describe, expect, it } from "vitest";
import { GREETING_WITHIN, Session, SILENT_AFTER } from "../../src/conn/session.ts";
import { TestWorld } from "./world.ts";

function start(): { world: TestWorld; session: Session } {
  const world = new TestWorld();
  const session = new Session(world, world, "tab-1");
  session.connect();
  return { world, session };
}

const COMMAND = {
  command_id: "c-1",
  target_id: "shop",
  command: "restart_child",
  target: { child_path: "/db" },
  reason: "stuck",
  confirmed: false,
} as const;

describe("the session", () => {
  it("says nothing before the relay has greeted, then one hello", () => {
    const { world } = start();
    world.link.events.opened();
    expect(world.link.sent).toEqual([]);
    world.link.greet();
    expect(world.link.sent).toEqual([{ type: "client_hello", client_store_id: "tab-1", resume_cursor: {} }]);
    world.link.hello();
    expect(world.link.sent).toHaveLength(1);
    expect(world.phases.at(-1)).toMatchObject({ is: "live" });
  });

  it("has said its hello when it tells that it is live, so that one may ask at once", () => {
    const { world, session } = start();
    world.told = ({ is }) => is === "live" && session.ask({ type: "audit_query", query_id: "q", limit: 1 });
    world.link.greet();
    expect(world.link.sent).toMatchObject([{ type: "client_hello" }, { type: "audit_query" }]);
  });

  it("hands on messages only after the greeting, and ignores types of a later version", () => {
    const { world } = start();
    world.link.say({ type: "target_list", targets: [] });
    expect(world.messages).toEqual([]);
    world.link.greet();
    world.link.say({ type: "a_later_message", anything: 1 });
    world.link.say({ type: "constructor" });
    world.link.say({ type: "target_list", targets: [] });
    expect(world.messages).toEqual([{ type: "target_list", targets: [] }]);
    expect(world.complaints).toEqual([]);
  });

  it("tells of a frame that cannot be used and stays live", () => {
    const { world } = start();
    world.link.greet();
    world.link.events.received("{");
    world.link.events.received("[]");
    world.link.say({ type: "state", target_id: "shop" });
    expect(world.complaints).toEqual([
      "a frame that is no JSON",
      "a frame without a type",
      "a message state without a good state",
    ]);
    expect(world.phases.at(-1)).toMatchObject({ is: "live" });
  });

  it("comes back after a loss, waiting longer each time, and says when", () => {
    const { world } = start();
    world.link.greet();
    world.pass(60_000);
    const waits: number[] = [];
    for (let round = 0; round < 7; round++) {
      world.link.events.closed(1006, "");
      const phase = world.phases.at(-1);
      if (phase?.is !== "waiting") throw new Error("it does not wait");
      expect(phase.why).toBe("the relay cannot be reached");
      waits.push(phase.retryAt - world.now());
      world.pass(phase.retryAt - world.now());
    }
    expect(waits).toEqual([250, 500, 1000, 2000, 3000, 3000, 3000]);
    expect(world.links).toHaveLength(8);
    world.link.greet();
    world.link.events.closed(1001, "");
    expect(world.phases.at(-1)).toMatchObject({ is: "waiting", retryAt: world.now() + 250 });
  });

  it("goes on where each target was, and of one whose life is not named, from now on", () => {
    const { world } = start();
    world.link.greet();
    const say = (target_id: string, more: object) => world.link.say({ target_id, ...more });
    const state = { recent_events: [{ sequence: 40 }], recent_logs: [] };
    say("shop", { type: "state", state, stream_epoch: "e-9" });
    say("shop", { type: "event", event: { sequence: 41 } });
    say("shop", { type: "gap", stream: "events", from: 42, to: 44 });
    say("mail", { type: "state", state });
    say("mail", { type: "event", event: { sequence: 7 } });
    world.link.events.closed(1013, "");
    world.pass(250);
    world.link.greet();
    expect(world.link.sent[0]).toEqual({
      type: "client_hello",
      client_store_id: "tab-1",
      resume_cursor: { targets: { shop: { stream_epoch: "e-9", events: 44 } } },
    });
    // What is in the state was not sent yet: it follows, after what was asked for.
    const later = { recent_events: [{ sequence: 90 }], recent_logs: [{ sequence: 5 }] };
    say("shop", { type: "state", state: later, stream_epoch: "e-9" });
    say("shop", { type: "event", event: { sequence: 45 } });
    world.link.events.closed(1013, "");
    world.pass(250);
    world.link.greet();
    expect(world.link.sent[0]).toMatchObject({
      resume_cursor: { targets: { shop: { stream_epoch: "e-9", events: 45, logs: 5 } } },
    });
  });

  it("of another life of a target wants all that follows", () => {
    const { world } = start();
    const again = () => {
      world.link.events.closed(1013, "");
      world.pass(250);
      world.link.greet();
      return world.link.sent[0];
    };
    const state = (stream_epoch: string, sequence: number) =>
      world.link.say({
        type: "state",
        target_id: "shop",
        state: { recent_events: [{ sequence }] },
        stream_epoch,
      });
    world.link.greet();
    state("a", 40);
    world.link.say({ type: "stream_began", target_id: "shop", stream_epoch: "b" });
    expect(again()).toMatchObject({
      resume_cursor: { targets: { shop: { stream_epoch: "b", events: 0, logs: 0 } } },
    });
    world.link.say({ type: "event", target_id: "shop", event: { sequence: 3 } });
    state("c", 9);
    expect(again()).toMatchObject({
      resume_cursor: { targets: { shop: { stream_epoch: "c", events: 0 } } },
    });
  });

  it("asks for the filter again after a reconnect", () => {
    const { world, session } = start();
    session.want({
      target_ids: [],
      child_paths: ["/db"],
      lifecycle_states: [],
      event_types: [],
      severities: [],
    });
    world.link.greet();
    expect(world.link.sent.map((sent) => sent["type"])).toEqual([
      "client_hello",
      "log_event_filter_conditions",
    ]);
    world.link.events.closed(1006, "");
    world.pass(250);
    world.link.greet();
    expect(world.link.sent[1]).toMatchObject({ type: "log_event_filter_conditions", child_paths: ["/db"] });
    session.want(null);
    expect(world.link.sent[2]).toMatchObject({ child_paths: [] });
  });

  it("gives up a relay that accepts and never greets", () => {
    const { world } = start();
    world.link.events.opened();
    world.pass(GREETING_WITHIN);
    expect(world.phases.at(-1)).toMatchObject({ is: "waiting", why: "the relay does not answer" });
    expect(world.links[0]?.closedBy).toBe("page");
  });

  it("gives up a relay that promised heartbeats and is silent, and not one that promised none", () => {
    const { world } = start();
    world.link.greet({ capabilities: ["heartbeat"] });
    for (let beat = 0; beat < 5; beat++) {
      world.pass(SILENT_AFTER - 1);
      world.link.say({ type: "heartbeat", at_unix_nanos: "1763750000000000000" });
    }
    expect(world.relayNanos).toBe(1763750000000000000);
    expect(world.phases.at(-1)).toMatchObject({ is: "live" });
    world.pass(SILENT_AFTER);
    expect(world.phases.at(-1)).toMatchObject({ is: "waiting", why: "the relay is silent" });

    const other = start().world;
    other.link.greet();
    other.pass(3_600_000);
    expect(other.phases.at(-1)).toMatchObject({ is: "live" });
  });

  it.each([
    [4401, "sign_in"],
    [4403, "ask_for_rights"],
    [4409, "take_over"],
  ])("does not come back by itself after %i, and does when asked to", (code, remedy) => {
    const { world, session } = start();
    world.link.greet();
    world.link.events.closed(code, "");
    world.pass(3_600_000);
    expect(world.phases.at(-1)).toMatchObject({ is: "ended", remedy });
    expect(world.links).toHaveLength(1);
    session.connect();
    expect(world.links).toHaveLength(2);
  });

  it("sends no command while it is not live, and says so", () => {
    const { world, session } = start();
    expect(session.command(COMMAND)).toBe(false);
    world.link.greet();
    expect(session.command(COMMAND)).toBe(true);
    expect(world.link.sent[1]).toEqual({ type: "command", ...COMMAND });
    expect(world.link.sent[1]).not.toHaveProperty("requested_by");
    world.link.events.closed(1006, "");
    expect(session.command(COMMAND)).toBe(false);
  });

  it("does not listen to a socket that it has given up", () => {
    const { world } = start();
    const first = world.link;
    first.greet();
    first.events.closed(1006, "");
    world.pass(250);
    world.link.greet();
    first.say({ type: "target_list", targets: [] });
    first.events.closed(4401, "");
    expect(world.messages).toEqual([]);
    expect(world.phases.at(-1)).toMatchObject({ is: "live" });
  });
});
