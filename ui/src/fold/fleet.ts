// Everything the page knows: every target, the audit, and the commands of this page. Folds what the relay sends.

import type { AuditEvent, FilterConditions, ServerMessage } from "../wire.ts";
import { isStream, nanos } from "../conn/read.ts";
import { commandOf } from "../model/audit.ts";
import { Target } from "./target.ts";

/** How many rows of history all targets keep together, and each at least and at most. */
const KEPT_TOGETHER = 40_000;
const KEPT_LEAST = 256;
const KEPT_MOST = 5_000;

/** How many records of the audit are kept. */
const AUDIT = 2_000;

/** The fold over all targets. Times are milliseconds of the page's clock. */
export class Fleet {
  readonly #targets = new Map<string, Target>();
  #audit: AuditEvent[] = [];
  /** Whether the relay has said which targets there are. */
  listed = false;
  /** Whether a filter is on, so that a skipped sequence is no loss. */
  filtered = false;
  /** Grows with every change. */
  version = 0;

  get targets(): ReadonlyMap<string, Target> {
    return this.#targets;
  }

  /** The audit, the newest last. */
  get audit(): readonly AuditEvent[] {
    return this.#audit;
  }

  /** Folds a message that came at this time. */
  apply(message: ServerMessage, nowMs: number): void {
    this.version++;
    switch (message.type) {
      case "target_list":
        return this.#list(message.targets, nowMs);
      case "state":
        return this.#on(message.target_id, nowMs, (target, heardBefore) => {
          target.replace(message.state, this.filtered, message.stream_epoch);
          // A relay that has lost the target tells what it kept; that is as old as when it was read.
          const readAt = (nanos(message.state.generated_at_unix_nanos) ?? 0) / 1e6;
          if (target.connection !== "connected")
            target.heardAt = Math.max(heardBefore ?? 0, Math.min(readAt, nowMs));
        });
      case "event":
        return this.#on(message.target_id, nowMs, (target) =>
          target.applyEvent(message.event, this.filtered),
        );
      case "log":
        return this.#on(message.target_id, nowMs, (target) => target.applyLog(message.log, this.filtered));
      case "state_delta":
        return this.#on(message.target_id, nowMs, (target) =>
          target.applyDelta(message.delta, this.filtered),
        );
      case "command_result": {
        const delta = message.result.state_delta;
        return this.#on(message.target_id, nowMs, (target) => {
          if (delta) target.applyDelta(delta, this.filtered);
        });
      }
      case "connection_state":
        // It says how the connection is, not that the target was heard of.
        return this.#targets.get(message.target_id)?.setConnection(message.state, nowMs * 1e6);
      case "stream_began":
        return this.#on(message.target_id, nowMs, (target) =>
          target.begin(message.stream_epoch, nowMs * 1e6),
        );
      case "gap":
        if (!isStream(message.stream)) return;
        return this.#targets
          .get(message.target_id)
          ?.noteGap(message.stream, { from: message.from, to: message.to }, nowMs * 1e6);
      case "filter_applied":
        return this.#filter(message.log_event_filter_conditions);
      case "dropped_count":
        return this.#on(message.target_id, nowMs, (target) =>
          target.setDropped(message.dropped_event_count, message.dropped_log_count),
        );
      case "audit_event":
        return this.#record(message.audit);
      case "server_hello":
      case "heartbeat":
      case "error":
        return;
    }
  }

  #filter(conditions: FilterConditions): void {
    const said = Object.values(conditions).some((value) =>
      Array.isArray(value) ? value.length > 0 : value != null,
    );
    // What an old filter kept back may follow upon anything.
    if (this.filtered && !said) for (const target of this.#targets.values()) target.skip();
    this.filtered = said;
  }

  #list(listed: Extract<ServerMessage, { type: "target_list" }>["targets"], nowMs: number): void {
    this.listed = true;
    const ids = new Set(listed.map((target) => target.target_id));
    for (const id of this.#targets.keys()) if (!ids.has(id)) this.#targets.delete(id);
    for (const one of listed) {
      const known = this.#targets.get(one.target_id);
      if (known === undefined) {
        this.#targets.set(one.target_id, new Target(one));
        continue;
      }
      known.setConnection(one.connection_state, nowMs * 1e6);
      known.listed = one;
      known.version++;
    }
  }

  #on(id: string, nowMs: number, change: (target: Target, heardBefore: number | null) => void): void {
    const target = this.#targets.get(id);
    if (target === undefined) return;
    const before = target.heardAt;
    target.heardAt = nowMs;
    change(target, before);
    target.trim(Math.min(KEPT_MOST, Math.max(KEPT_LEAST, Math.floor(KEPT_TOGETHER / this.#targets.size))));
  }

  /** What was told twice, and the outcome of what was accepted, takes the place of what there was. */
  #record(audit: AuditEvent): void {
    const same = (known: AuditEvent) =>
      known.audit_id === audit.audit_id && known.target_id === audit.target_id;
    const going = (known: AuditEvent) =>
      known.result === "accepted" &&
      known.command_id !== "" &&
      known.command === audit.command &&
      commandOf(known) === commandOf(audit);
    const at = this.#audit.findLastIndex((known) => same(known) || going(known));
    if (at >= 0) this.#audit.splice(at, 1);
    this.#audit.push(audit);
    if (this.#audit.length > AUDIT * 2) this.#audit = this.#audit.slice(-AUDIT);
  }
}
