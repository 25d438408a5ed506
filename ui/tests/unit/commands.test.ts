import { describe, expect, it } from "vitest";
import { Commands, type Progress } from "../../src/model/commands.ts";
import { event } from "./make.ts";

const COMMAND: Progress["command"] = {
  command_id: "c-1",
  target_id: "shop",
  command: "restart_child",
  target: { child_path: "/db" },
  reason: "stuck",
  confirmed: false,
};

function sent(): Commands {
  const commands = new Commands();
  commands.sent(COMMAND, 1_000, 30_000);
  return commands;
}

const steps = (commands: Commands) => commands.get("c-1")?.steps.map((one) => one.step);
const say = (commands: Commands, type: string, payload = {}, id: string | null = "c-1") =>
  commands.hear(
    { type: "event", target_id: "shop", event: event("/db", type, payload, { correlation_id: id }) },
    2_000,
  );
const result = (status: string, error?: object) => ({
  type: "command_result" as const,
  target_id: "shop",
  result: {
    command_id: "c-1",
    correlation_id: null,
    target_id: "shop",
    accepted: status === "completed" || status === "accepted",
    status,
    requested_by: "ann",
    completed_at: null,
    completed_at_unix_nanos: null,
    ...(error && {
      error: {
        code: "authz_denied",
        stage: "authorization",
        target_id: "shop",
        message: "no",
        retryable: false,
      },
    }),
  },
});

describe("a command", () => {
  it("goes from sent to done by the events that carry its id, each step once", () => {
    const commands = sent();
    for (const type of [
      "CommandAccepted",
      "ChildStopping",
      "ChildStarting",
      "ChildRunning",
      "ChildReady",
      "ChildReady",
    ]) {
      expect(say(commands, type)).toBe(true);
    }
    expect(say(commands, "ChildReady", {}, "another")).toBe(false);
    expect(say(commands, "ChildReady", {}, null)).toBe(false);
    commands.hear(result("completed"), 3_000);
    expect(steps(commands)).toEqual(["sent", "accepted", "stopping", "starting", "started", "ready", "done"]);
    expect(commands.get("c-1")).toMatchObject({ outcome: { is: "completed" }, deadline: 31_000 });
  });

  it("that is refused says why", () => {
    const commands = sent();
    commands.hear(result("rejected", {}), 2_000);
    expect(commands.get("c-1")?.outcome).toMatchObject({ is: "refused", error: { message: "no" } });
  });

  it("that is refused by an error of the session says why, and another's error is not its own", () => {
    const commands = sent();
    const error = {
      code: "empty_reason",
      stage: "session",
      target_id: "shop",
      message: "say why",
      retryable: false,
    };
    expect(commands.hear({ type: "error", error }, 2_000)).toBe(false);
    expect(commands.get("c-1")?.outcome.is).toBe("pending");
    commands.hear({ type: "error", error, command_id: "c-1" }, 2_000);
    expect(commands.get("c-1")?.outcome).toMatchObject({ is: "refused", error: { message: "say why" } });
  });

  it("that takes longer is accepted, and its outcome comes as an event", () => {
    const commands = sent();
    commands.hear(result("accepted"), 2_000);
    expect(commands.get("c-1")?.outcome.is).toBe("pending");
    say(commands, "CommandCompleted", { text: "it did not start" });
    expect(commands.get("c-1")?.outcome).toMatchObject({
      is: "failed",
      error: { message: "it did not start" },
    });
  });

  it("whose connection was lost is unknown until it is told or asked again", () => {
    const commands = sent();
    commands.lost();
    expect(commands.get("c-1")?.outcome.is).toBe("unknown");
    say(commands, "CommandCompleted");
    expect(commands.get("c-1")?.outcome.is).toBe("completed");
    commands.lost();
    expect(commands.get("c-1")?.outcome.is).toBe("completed");
    commands.sent(COMMAND, 5_000, 30_000);
    expect(commands.all).toHaveLength(1);
    expect(commands.get("c-1")?.outcome.is).toBe("pending");
  });
});
