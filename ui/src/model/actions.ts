// Which commands make sense now, and which this person may give. One that does not says why.

import { isObject } from "../conn/read.ts";
import type { ListedTarget, RuntimeRow } from "../wire.ts";
import { type COMMANDS, REFUSALS } from "../text.ts";

/** A command that the page gives. */
export type Verb = keyof typeof COMMANDS;

/** What is asked before a command is sent. */
export type Grade =
  /** Nothing: it can do no harm. */
  | "none"
  /** A reason. */
  | "reason"
  /** A reason, the name typed again, and a list of what it will affect. */
  | "typed";

/** A command, and why it cannot be given, or `null`. */
export interface Action {
  readonly verb: Verb;
  readonly grade: Grade;
  readonly refusal: string | null;
}

const GRADES: Readonly<Record<Verb, Grade>> = {
  resume_child: "none",
  restart_child: "reason",
  pause_child: "reason",
  quarantine_child: "reason",
  add_child: "reason",
  remove_child: "typed",
  shutdown_tree: "typed",
};

/** What is asked before a command. */
export function gradeOf(verb: Verb): Grade {
  return GRADES[verb];
}

/** The dangerous ones need an admin; the target refuses them to everybody else. */
const ADMIN: ReadonlySet<Verb> = new Set<Verb>(["remove_child", "add_child", "shutdown_tree"]);

const ON_CHILD: readonly Verb[] = [
  "resume_child",
  "restart_child",
  "pause_child",
  "quarantine_child",
  "remove_child",
];
const ON_TREE: readonly Verb[] = ["add_child", "shutdown_tree"];

/** Who asks, and of what. */
export interface Asking {
  /** `null` when the relay does not say; then the relay decides alone. */
  readonly role: string | null;
  /** Whether page, relay and target are connected. */
  readonly live: boolean;
  readonly target: ListedTarget;
}

/** The commands on a child. */
export function onChild(asking: Asking, row: RuntimeRow): Action[] {
  return ON_CHILD.map((verb) =>
    action(asking, verb, row.child_path === "/" ? REFUSALS.root : unfit(verb, row.lifecycle_state)),
  );
}

/** The commands on a tree. */
export function onTree(asking: Asking, root: RuntimeRow | undefined): Action[] {
  return ON_TREE.map((verb) => action(asking, verb, isEnding(root) ? REFUSALS.ending : null));
}

/** Adding a child under a supervisor, the root or another. */
export function adding(asking: Asking, row: RuntimeRow): Action {
  return action(asking, "add_child", isEnding(row) ? REFUSALS.ending : null);
}

function isEnding(row: RuntimeRow | undefined): boolean {
  return (
    row !== undefined &&
    ["stopping", "stopped", "completed", "failed", "removed"].includes(row.lifecycle_state)
  );
}

/** The one safe thing to do about a child now, or `null` when waiting or looking is all there is. */
export function safeAction(asking: Asking, row: RuntimeRow): Action | null {
  const verb = SAFE[row.lifecycle_state];
  return verb === undefined ? null : (onChild(asking, row).find((one) => one.verb === verb) ?? null);
}

const SAFE: Readonly<Record<string, Verb>> = {
  backoff: "restart_child",
  failed: "restart_child",
  stopped: "restart_child",
  quarantined: "resume_child",
  paused: "resume_child",
};

function action(asking: Asking, verb: Verb, unfit: string | null): Action {
  return { verb, grade: GRADES[verb], refusal: forbidden(asking, verb) ?? unfit };
}

function forbidden({ role, live, target }: Asking, verb: Verb): string | null {
  if (!live) return REFUSALS.notLive;
  const commands = target.supported_commands ?? [];
  if (!commands.some((command) => isObject(command) && command.name === verb)) return REFUSALS.notTaken;
  if (role === null) return null;
  const enough = ADMIN.has(verb) ? role === "admin" : role === "admin" || role === "operator";
  if (enough) return null;
  return REFUSALS.role(ADMIN.has(verb) ? "admin" : "operator", role);
}

/** Why a command does not fit a state. */
function unfit(verb: Verb, state: string): string | null {
  if (state === "removed") return REFUSALS.removed;
  const parked = state === "paused" || state === "quarantined";
  if (verb === "resume_child" && !parked) return REFUSALS.notHeld;
  if (verb === "pause_child" && state === "paused") return REFUSALS.paused;
  if (verb === "quarantine_child" && state === "quarantined") return REFUSALS.quarantined;
  return null;
}
