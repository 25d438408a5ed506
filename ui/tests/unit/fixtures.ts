// The fixtures of the wire, which the Rust fold is tested with as well.

import { readFileSync } from "node:fs";
import type { DashboardState, RuntimeRow, ServerMessage } from "../../src/wire.ts";

const FOLDER = new URL("../../../crates/api/fixtures/", import.meta.url);

/** The lines of a fixture. */
export function lines(name: string): Record<string, unknown>[] {
  const text = readFileSync(new URL(`${name}.jsonl`, FOLDER), "utf8");
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** What is between the first and the last state of a fold, as a target pushes it. */
export interface Fold {
  readonly first: DashboardState;
  readonly pushes: Record<string, unknown>[];
  readonly last: DashboardState;
}

export function fold(name: string): Fold {
  const all = lines(name);
  const state = (line: Record<string, unknown> | undefined) =>
    (line?.["result"] as { state: DashboardState } | undefined)?.state as DashboardState;
  return { first: state(all[0]), pushes: all.slice(1, -1), last: state(all.at(-1)) };
}

/** A state without what the fixtures leave out. */
export function bare(state: DashboardState): DashboardState {
  const rows = state.runtime_state.map((row) => {
    const { child_start_count: _, ...rest } = row;
    return rest as RuntimeRow;
  });
  return { ...state, runtime_state: rows };
}

export function serverMessages(): ServerMessage[] {
  return lines("server_messages") as unknown as ServerMessage[];
}
