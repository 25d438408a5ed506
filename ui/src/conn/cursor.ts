// Where each target's streams are to go on after a reconnect.

import type { ResumeCursor, ServerMessage, Stream, TargetCursor, Token } from "../wire.ts";
import { isStream } from "./read.ts";

interface Place {
  readonly epoch: Token;
  events: number | null;
  logs: number | null;
}

/**
 * The last record of each stream that was received. A target whose relay names no epoch has no cursor: its sequences
 * may have begun anew, and then nothing can be compared.
 */
export class Cursors {
  readonly #places = new Map<string, Place>();

  /** Remembers the place of a message. */
  note(message: ServerMessage): void {
    switch (message.type) {
      case "target_list": {
        const ids = new Set(message.targets.map((target) => target.target_id));
        for (const id of this.#places.keys()) if (!ids.has(id)) this.#places.delete(id);
        return;
      }
      case "state":
        return this.#state(message);
      case "stream_began":
        // All of it follows.
        return void this.#places.set(message.target_id, { epoch: message.stream_epoch, events: 0, logs: 0 });
      case "event":
        return this.#reach(message.target_id, "events", message.event.sequence);
      case "log":
        return this.#reach(message.target_id, "logs", message.log.sequence);
      case "gap":
        if (isStream(message.stream)) this.#reach(message.target_id, message.stream, message.to);
        return;
      default:
        return;
    }
  }

  /** What to say in the hello. */
  resume(): ResumeCursor {
    const entries = [...this.#places].map(([id, { epoch, events, logs }]): [string, TargetCursor] => [
      id,
      { stream_epoch: epoch, ...(events !== null && { events }), ...(logs !== null && { logs }) },
    ]);
    return entries.length === 0 ? {} : { targets: Object.fromEntries(entries) };
  }

  /** What was asked for with a cursor follows a state; only a stream without one begins with what the state holds. */
  #state({ target_id, stream_epoch: epoch, state }: Extract<ServerMessage, { type: "state" }>): void {
    if (epoch == null) return void this.#places.delete(target_id);
    const known = this.#places.get(target_id);
    // Of another life all follows.
    const had = (last: number | null | undefined) => (last == null || known?.epoch === epoch ? last : 0);
    this.#places.set(target_id, {
      epoch,
      events: had(known?.events) ?? state.recent_events?.at(-1)?.sequence ?? null,
      logs: had(known?.logs) ?? state.recent_logs?.at(-1)?.sequence ?? null,
    });
  }

  #reach(id: string, stream: Stream, sequence: number | null | undefined): void {
    const place = this.#places.get(id);
    if (place === undefined || typeof sequence !== "number") return;
    place[stream] = Math.max(place[stream] ?? 0, sequence);
  }
}
