// The commands that this page has sent, and how far each is.
//
//   sent → accepted → stopping → started → ready → completed
//     └──▶ rejected, failed                     a lost connection: unknown until it is asked again

import { nanos } from "../conn/read.ts";
import type { BrowserCommand, EventRecord, ServerMessage, WireError } from "../wire.ts";
import type { Verb } from "./actions.ts";

/** What has been reached. */
export type Step = "sent" | "accepted" | "stopping" | "starting" | "started" | "ready" | "done";

/** How it is. */
export type Outcome =
  | { readonly is: "pending" }
  | { readonly is: "completed" }
  | { readonly is: "refused"; readonly error: WireError | null }
  | { readonly is: "failed"; readonly error: WireError | null }
  /** The connection was lost before the answer. The same id asked again gives the answer, and does nothing twice. */
  | { readonly is: "unknown" };

/** One command. Times are milliseconds of the page's clock. */
export interface Progress {
  readonly command: BrowserCommand & { readonly command: Verb };
  readonly sentAt: number;
  /** When it should be done. */
  readonly deadline: number;
  readonly steps: readonly { readonly step: Step; readonly at: number }[];
  readonly outcome: Outcome;
}

/** Which step an event with a command's id tells. */
const STEPS: Readonly<Record<string, Step>> = {
  CommandAccepted: "accepted",
  ChildStopping: "stopping",
  ChildStarting: "starting",
  ChildRestarting: "starting",
  ChildRunning: "started",
  ChildRestarted: "started",
  ChildReady: "ready",
  ChildStopped: "done",
  Paused: "done",
  ChildQuarantined: "done",
  ShutdownCompleted: "done",
};

/** How many are kept. */
const KEPT = 500;

/** The commands of this page, the newest last. */
export class Commands {
  #all: Progress[] = [];

  get all(): readonly Progress[] {
    return this.#all;
  }

  get(id: string): Progress | undefined {
    return this.#all.find((one) => one.command.command_id === id);
  }

  /** A command was sent, or sent again. */
  sent(command: Progress["command"], nowMs: number, timeoutMs: number): void {
    const steps: Progress["steps"] = [{ step: "sent", at: nowMs }];
    const one: Progress = {
      command,
      sentAt: nowMs,
      deadline: nowMs + timeoutMs,
      steps,
      outcome: { is: "pending" },
    };
    const others = this.#all.filter((known) => known.command.command_id !== command.command_id);
    this.#all = [...others, one].slice(-KEPT);
  }

  /** What the relay said about it, if it is about one of these. Returns whether it was. */
  hear(message: ServerMessage, nowMs: number): boolean {
    switch (message.type) {
      case "command_result":
        return this.#result(message.result, nowMs);
      case "error":
        return this.#change(message.command_id ?? "", (one) => ({
          ...one,
          outcome: { is: "refused", error: message.error },
        }));
      case "event":
        return this.#event(message.event, nowMs);
      case "state_delta":
        return (message.delta.recent_events ?? []).map((event) => this.#event(event, nowMs)).includes(true);
      default:
        return false;
    }
  }

  /** The connection was lost: whatever had no answer may or may not have been done. */
  lost(): void {
    this.#all = this.#all.map((one) =>
      one.outcome.is === "pending" ? { ...one, outcome: { is: "unknown" } } : one,
    );
  }

  #result(result: Extract<ServerMessage, { type: "command_result" }>["result"], nowMs: number): boolean {
    return this.#change(result.command_id, (one) => {
      const error = result.error ?? null;
      switch (result.status) {
        case "completed":
          return { ...reach(one, "done", nowMs), outcome: { is: "completed" } };
        case "accepted":
          return reach(one, "accepted", nowMs);
        case "failed":
          return { ...one, outcome: { is: "failed", error } };
        default:
          return { ...one, outcome: { is: "refused", error } };
      }
    });
  }

  #event(event: EventRecord, nowMs: number): boolean {
    const id = event.correlation_id;
    if (id == null || this.#all.length === 0) return false;
    if (event.event_type === "CommandCompleted") {
      const text = event.payload?.["text"];
      return this.#change(id, (one) => {
        if (one.outcome.is !== "pending" && one.outcome.is !== "unknown") return one;
        if (typeof text !== "string") return { ...reach(one, "done", nowMs), outcome: { is: "completed" } };
        const error: WireError = {
          code: "command_failed",
          stage: "command_dispatch",
          target_id: event.target_id,
          message: text,
          retryable: true,
        };
        return { ...one, outcome: { is: "failed", error } };
      });
    }
    const step = STEPS[event.event_type];
    if (step === undefined) return false;
    const at = nanos(event.occurred_at_unix_nanos);
    return this.#change(id, (one) => reach(one, step, at === null ? nowMs : Math.max(one.sentAt, at / 1e6)));
  }

  #change(id: string, to: (one: Progress) => Progress): boolean {
    const known = this.get(id);
    if (known === undefined) return false;
    this.#all = this.#all.map((one) => (one === known ? to(one) : one));
    return true;
  }
}

function reach(one: Progress, step: Step, at: number): Progress {
  if (one.steps.some((reached) => reached.step === step)) return one;
  return { ...one, steps: [...one.steps, { step, at }] };
}

/** All steps, in the order in which they are reached. */
const ORDER: readonly Step[] = ["sent", "accepted", "stopping", "starting", "started", "ready", "done"];

/** The steps that a command goes through when all goes well. */
const COURSES: Readonly<Record<Verb, readonly Step[]>> = {
  restart_child: ORDER,
  pause_child: ["sent", "accepted", "stopping", "done"],
  resume_child: ["sent", "accepted", "starting", "started", "ready", "done"],
  quarantine_child: ["sent", "accepted", "stopping", "done"],
  remove_child: ["sent", "accepted", "stopping", "done"],
  add_child: ["sent", "accepted", "starting", "started", "ready", "done"],
  shutdown_tree: ["sent", "accepted", "stopping", "done"],
};

/** The steps that were reached, in their order, and while it goes on those to come; `at` is `null` for these. */
export function stepsOf(one: Progress): { readonly step: Step; readonly at: number | null }[] {
  // A target tells some of them in one moment, in the order in which it came upon them.
  const reached = one.steps.toSorted((a, b) => ORDER.indexOf(a.step) - ORDER.indexOf(b.step));
  if (one.outcome.is !== "pending") return reached;
  const course = COURSES[one.command.command];
  const furthest = Math.max(...reached.map(({ step }) => course.indexOf(step)));
  // A child that does not run is not stopped, so what was passed over does not come.
  const to = course.slice(furthest + 1).filter((step) => !reached.some((known) => known.step === step));
  return [...reached, ...to.map((step) => ({ step, at: null }))];
}

/** How many of several commands are how far. */
export interface CommandTally {
  readonly all: number;
  readonly done: number;
  readonly going: number;
  readonly wrong: number;
}

/** How many of these are how far. */
export function tallyOf(all: readonly Progress[]): CommandTally {
  const of = (...words: Outcome["is"][]) => all.filter((one) => words.includes(one.outcome.is)).length;
  return {
    all: all.length,
    done: of("completed"),
    going: of("pending"),
    wrong: of("refused", "failed", "unknown"),
  };
}
