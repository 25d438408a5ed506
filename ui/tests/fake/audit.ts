// The audit of the fake relay: rows of long ago, and the answer to a question about them as a relay gives it.

import type { AuditPage, AuditQuery, AuditRow } from "../../src/wire.ts";

/** So many rows, one a minute, the last a minute before `now`. Every tenth was refused, every seventh is bob's. */
export function asked(many: number, now: number): AuditRow[] {
  return Array.from({ length: many }, (_, at): AuditRow => {
    const refused = at % 10 === 0;
    return {
      audit_id: String(at + 1),
      entry: refused ? "denial" : "outcome",
      identity: at % 7 === 0 ? "bob" : "ana",
      role: "operator",
      target_id: at % 2 === 0 ? "payments-worker-a" : "mail-gw",
      command_id: `past-${at + 1}`,
      command: at % 5 === 0 ? "pause_child" : "restart_child",
      target: "/api",
      reason: `ticket ${at + 1}`,
      result: refused ? "rejected" : "completed",
      ...(refused && {
        error: {
          code: "authz_denied",
          stage: "authorization",
          target_id: "mail-gw",
          message: "a viewer may not do that",
          retryable: false,
        },
      }),
      occurred_at_unix_nanos: (now - (many - at) * 60_000) * 1e6,
    };
  });
}

/** A page of these rows, of which the newest is the last. */
export function page(
  rows: readonly AuditRow[],
  query: AuditQuery,
): AuditPage & { readonly type: "audit_page" } {
  const words = (query.text ?? "").toLowerCase();
  const found = rows.toReversed().filter((row) => {
    const at = Number(row.occurred_at_unix_nanos);
    const texts = [
      row.identity,
      row.target_id,
      row.command,
      row.command_id,
      row.target,
      row.reason,
      row.error?.code,
      row.error?.message,
    ];
    return (
      (query.before == null || Number(row.audit_id) < Number(query.before)) &&
      (query.target_id == null || row.target_id === query.target_id) &&
      (query.identity == null || row.identity === query.identity) &&
      (query.command == null || row.command === query.command) &&
      (query.result == null || row.result === query.result) &&
      (query.since_unix_nanos == null || at >= Number(query.since_unix_nanos)) &&
      (query.until_unix_nanos == null || at < Number(query.until_unix_nanos)) &&
      texts.some((text) => text?.toLowerCase().includes(words) === true)
    );
  });
  return {
    type: "audit_page",
    query_id: query.query_id,
    records: found.slice(0, query.limit),
    more: found.length > query.limit,
  };
}
