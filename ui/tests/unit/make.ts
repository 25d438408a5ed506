// Small makers of wire values for tests.

import { Target } from "../../src/fold/target.ts";
import type { DashboardState, EventRecord, ListedTarget, Node, RuntimeRow } from "../../src/wire.ts";

export const COMMANDS = [
  "restart_child",
  "pause_child",
  "resume_child",
  "quarantine_child",
  "remove_child",
  "add_child",
  "shutdown_tree",
] as const;

export function listed(target_id: string, more: Partial<ListedTarget> = {}): ListedTarget {
  return {
    target_id,
    display_name: target_id,
    registration_state: "active",
    connection_state: "connected",
    supported_commands: COMMANDS.map((name) => ({ name, idempotent: true, timeout_seconds: 30 })),
    ...more,
  };
}

export function row(
  child_path: string,
  lifecycle_state = "running",
  more: Partial<RuntimeRow> = {},
): RuntimeRow {
  return {
    child_path,
    lifecycle_state,
    health: "unknown",
    readiness: lifecycle_state === "running" ? "ready" : "unreported",
    generation: 1,
    attempt: 0,
    child_start_count: 0,
    restart_count: 0,
    last_failure: null,
    last_policy_decision: null,
    shutdown_state: "running",
    as_of: 0,
    ...more,
  };
}

export function node(path: string, more: Partial<Node> = {}): Node {
  return {
    node_id: path,
    child_id: path === "/" ? null : (path.split("/").at(-1) ?? null),
    path,
    name: path.split("/").at(-1) || "root",
    kind: path === "/" ? "root_supervisor" : "child_task",
    tags: [],
    criticality: "standard",
    state_summary: "running",
    diagnostics: {},
    ...more,
  };
}

/** A state with these rows; who is below whom follows from the paths. */
export function state(
  target_id: string,
  rows: RuntimeRow[],
  more: Partial<DashboardState> = {},
): DashboardState {
  const paths = rows.map((one) => one.child_path);
  const edges = paths
    .filter((path) => path !== "/")
    .map((path, order) => {
      const source_path = path.slice(0, path.lastIndexOf("/")) || "/";
      return {
        edge_id: `parent:${source_path}->${path}`,
        source_path,
        target_path: path,
        kind: "parent_child",
        order,
      };
    });
  return {
    target: {
      target_id,
      display_name: target_id,
      registration_state: "active",
      connection_state: "connected",
    },
    topology: { root: "/", nodes: paths.map((path) => node(path)), edges, declaration_order: paths.slice(1) },
    runtime_state: rows,
    recent_events: [],
    recent_logs: [],
    dropped_event_count: 0,
    dropped_log_count: 0,
    config_version: "9f86d081884c7d65",
    generated_at_unix_nanos: 5,
    state_generation: 1,
    ...more,
  };
}

let sequence = 0;

/** An event; its payload is the row after it and whatever is given. */
export function event(
  target_path: string,
  event_type: string,
  payload: Record<string, unknown> = {},
  more: Partial<EventRecord> = {},
): EventRecord {
  return {
    target_id: "shop",
    sequence: ++sequence,
    correlation_id: null,
    event_type,
    severity: "info",
    target_path,
    child_id: null,
    occurred_at_unix_nanos: 1e18,
    config_version: "9f86d081884c7d65",
    payload: {
      state: "running",
      health: "unknown",
      readiness: "ready",
      generation: 1,
      attempt: 0,
      restart_count: 0,
      cause: "exit",
      next: "nothing",
      ...payload,
    },
    ...more,
  };
}

/** A target with a state. */
export function target(id: string, rows: RuntimeRow[], more: Partial<ListedTarget> = {}): Target {
  const made = new Target(listed(id, more));
  made.replace(state(id, rows), false);
  return made;
}
