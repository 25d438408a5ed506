// What a target answers that is asked why a child is as it is: a policy in which every kind of source occurs.

import type { WhyQuery } from "../../src/wire.ts";

const rule = (key: string, value: string, source: string, from?: string) => ({
  key,
  value,
  source,
  ...(from !== undefined && { from }),
});

export function why({ query_id, target_id, child_path }: WhyQuery): Record<string, unknown> {
  const above = child_path.split("/").slice(0, -1).join("/") || "/";
  return {
    type: "why_answer",
    query_id,
    target_id,
    why: {
      child_path,
      sentence: `${child_path} is as it is.`,
      chain: [],
      next: "nothing",
      policy: {
        child: [
          rule("role", "service", "child"),
          rule("restart_policy", "permanent", "role", "service"),
          rule("backoff", "100 ms to 30 s, ±20 %, forgotten after 60 s of running", "defaults", "/"),
          rule("budget", "5 restarts in 60 s, shared with its siblings", "supervisor", above),
          rule("budget.on_exhausted", "quarantine", "criticality", "optional"),
          rule("criticality", "optional", "child"),
          rule("ready_within_secs", "60 s", "profile", "default"),
          rule("shutdown.graceful_timeout_ms", "10 s", "child", "/"),
          rule("shutdown.abort_wait_ms", "1 s", "profile", "default"),
          rule("health_check", "none", "profile", "default"),
          rule("command_permissions", "every command", "profile", "default"),
        ],
        supervisor:
          child_path === "/" || child_path === "/workers"
            ? [
                rule("strategy", "one_for_one", "profile", "default"),
                rule("order", "dependencies", "stack_file"),
              ]
            : [],
      },
    },
  };
}
