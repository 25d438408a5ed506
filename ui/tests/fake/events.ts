// Events for a page that is to be kept busy.

/** The events go around the targets, and in each around its children but the last; each target has a count of its own. */
export function inCrowd(at: number, targets = 200, children = 500): Record<string, unknown> {
  const target = `node-${String(at % targets).padStart(3, "0")}`;
  return happened(target, `/worker-${four(at % (children - 1))}`, Math.floor(at / targets) + 2);
}

export const four = (value: number) => String(value).padStart(4, "0");

/** Every seventh child fails, the others run, unless a state is given. */
export function happened(
  target_id: string,
  target_path: string,
  sequence: number,
  state?: string,
): Record<string, unknown> {
  const fails = Number(target_path.slice(-4)) % 7 === 0;
  const payload = {
    state: state ?? (fails ? "backoff" : "running"),
    health: "unknown",
    readiness: fails ? "unreported" : "ready",
    generation: 2,
    attempt: fails ? 1 : 0,
    restart_count: 1,
    cause: fails ? "exit" : "report",
    next: fails ? "start_at" : "nothing",
    ...(fails && { next_in_ms: 5_000, exit: { kind: "failed", error: "connection reset" } }),
  };
  const event = {
    target_id,
    sequence,
    correlation_id: null,
    event_type: fails ? "ChildFailed" : "ChildReady",
    severity: fails ? "warning" : "info",
    target_path,
    child_id: null,
    occurred_at_unix_nanos: Date.now() * 1e6,
    config_version: "",
    payload,
  };
  return { type: "event", target_id, event };
}
