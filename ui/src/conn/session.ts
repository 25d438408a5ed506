// One lasting session with the relay: it says hello, goes on where it was, and comes back by itself.
//
//   connecting ──open──▶ greeting ──server_hello──▶ live
//       ▲                    │                       │
//       └──── waiting ◀──────┴── closed, silent ─────┘      ended: coming back by itself would not help
//
// No clock, socket or chance of its own: they are given, so that tests own time.

import type { BrowserCommand, ClientMessage, FilterConditions, ServerHello, ServerMessage } from "../wire.ts";
import { waitBefore } from "./backoff.ts";
import { Cursors } from "./cursor.ts";
import { nanos, read } from "./read.ts";

/** How the connection is. */
export type Phase =
  | { readonly is: "connecting"; readonly attempt: number }
  | { readonly is: "greeting"; readonly attempt: number }
  | { readonly is: "live"; readonly hello: ServerHello }
  | { readonly is: "waiting"; readonly attempt: number; readonly retryAt: number; readonly why: string }
  | { readonly is: "ended"; readonly why: string; readonly remedy: Remedy };

/** What a person can do when the session does not come back by itself. */
export type Remedy = "sign_in" | "ask_for_rights" | "take_over";

/** What the session needs of a WebSocket. */
export interface Socket {
  send(text: string): void;
  close(code?: number): void;
}

/** What a socket tells. */
export interface SocketEvents {
  opened(): void;
  received(frame: string): void;
  closed(code: number, reason: string): void;
}

/** The world around a session. Times are milliseconds of one clock. */
export interface World {
  connect(events: SocketEvents): Socket;
  now(): number;
  after(ms: number, then: () => void): () => void;
  chance(): number;
}

/** Who is told. */
export interface Listener {
  /** The connection changed. */
  entered(phase: Phase): void;
  /** A message came, other than the hello and a heartbeat. */
  message(message: ServerMessage): void;
  /** Something came at this time, whatever it was; the relay's clock, in nanoseconds, when it said so. */
  heard(atMs: number, relayNanos: number | null): void;
  /** Something came that cannot be used. */
  broken(why: string): void;
}

/** A relay that does not greet within this time, in milliseconds, is given up. */
export const GREETING_WITHIN = 5_000;
/** A relay that promises heartbeats and is silent for this long, in milliseconds, is given up. */
export const SILENT_AFTER = 12_000;
/** The capability of a relay that sends `heartbeat` at least every 5 s. */
export const HEARTBEAT = "heartbeat";

const NO_CONDITIONS: FilterConditions = {
  target_ids: [],
  child_paths: [],
  lifecycle_states: [],
  event_types: [],
  severities: [],
};

/** What a close code means, and whether to come back. */
const CLOSES: Readonly<Record<number, { readonly why: string; readonly remedy?: Remedy }>> = {
  1001: { why: "the relay is stopping" },
  1006: { why: "the relay cannot be reached" },
  1013: { why: "this page was too slow" },
  4400: { why: "the relay did not understand this page" },
  4401: { why: "you are not signed in", remedy: "sign_in" },
  4403: { why: "you may not see this", remedy: "ask_for_rights" },
  4408: { why: "the greeting took too long" },
  4409: { why: "another tab has taken over", remedy: "take_over" },
  4429: { why: "this page asked too fast" },
};

/** A session that lasts until `stop`. */
export class Session {
  #phase: Phase = { is: "connecting", attempt: 0 };
  #socket: Socket | null = null;
  /** What is told by a socket that was given up is not listened to. */
  #epoch = 0;
  #attempt = 0;
  #heardAt = 0;
  #cancel: () => void = () => undefined;
  #conditions: FilterConditions = NO_CONDITIONS;
  readonly #cursors = new Cursors();

  readonly #world: World;
  readonly #listener: Listener;
  readonly #storeId: string;

  /** `storeId` names this tab to the relay, the same for as long as the tab keeps what it got. */
  constructor(world: World, listener: Listener, storeId: string) {
    this.#world = world;
    this.#listener = listener;
    this.#storeId = storeId;
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** Connects now, also when it was waiting or had ended. */
  connect(): void {
    this.#leave();
    const epoch = ++this.#epoch;
    const ours = (then: () => void) => {
      if (epoch === this.#epoch) then();
    };
    this.#enter({ is: "connecting", attempt: this.#attempt });
    this.#arm(GREETING_WITHIN, "the relay does not answer");
    this.#socket = this.#world.connect({
      opened: () => ours(() => this.#enter({ is: "greeting", attempt: this.#attempt })),
      received: (frame) => ours(() => this.#received(frame)),
      closed: (code, reason) => ours(() => this.#closed(code, reason)),
    });
  }

  /** Ends the session for good. */
  stop(): void {
    this.#leave();
    this.#epoch++;
  }

  /** Sends a command; `false` when there is no live session, and then nothing was sent. */
  command(command: BrowserCommand): boolean {
    return this.#send({ type: "command", ...command });
  }

  /** Sends a question; `false` when there is no live session, and then nothing was sent. */
  ask(query: Extract<ClientMessage, { type: "audit_query" | "why_query" }>): boolean {
    return this.#send(query);
  }

  /** From now on only records that fit are wanted. They are asked for again after a reconnect. */
  want(conditions: FilterConditions | null): void {
    this.#conditions = conditions ?? NO_CONDITIONS;
    this.#send({ type: "log_event_filter_conditions", ...this.#conditions });
  }

  #received(frame: string): void {
    const got = read(frame);
    this.#heardAt = this.#world.now();
    const message = got.is === "known" ? got.message : null;
    const beat = message?.type === "heartbeat" ? nanos(message.at_unix_nanos) : null;
    this.#listener.heard(this.#heardAt, beat);
    if (got.is === "broken") return this.#listener.broken(got.why);
    if (message === null || message.type === "heartbeat") return;
    if (message.type === "server_hello") return this.#greeted(message);
    if (this.#phase.is !== "live") return;
    this.#cursors.note(message);
    this.#listener.message(message);
  }

  #greeted(hello: ServerHello): void {
    if (this.#phase.is === "live") return;
    this.#attempt = 0;
    this.#phase = { is: "live", hello };
    // The greeting came in time.
    this.#cancel();
    if (hello.capabilities.includes(HEARTBEAT)) this.#watch();
    const resume_cursor = this.#cursors.resume();
    this.#send({ type: "client_hello", client_store_id: this.#storeId, resume_cursor });
    if (this.#conditions !== NO_CONDITIONS) this.want(this.#conditions);
    // Who is told of it may ask at once: the hello comes first.
    this.#enter(this.#phase);
  }

  #closed(code: number, reason: string): void {
    const close = CLOSES[code] ?? { why: `the connection was closed (${code})` };
    const why = reason === "" ? close.why : `${close.why}: ${reason}`;
    this.#leave();
    if (close.remedy !== undefined) return this.#enter({ is: "ended", why, remedy: close.remedy });
    this.#retry(why);
  }

  #retry(why: string): void {
    this.#leave();
    this.#epoch++;
    const wait = waitBefore(this.#attempt++, this.#world.chance);
    this.#enter({ is: "waiting", attempt: this.#attempt, retryAt: this.#world.now() + wait, why });
    this.#cancel = this.#world.after(wait, () => this.connect());
  }

  /** Looks, when it may have been silent for too long, whether it was. No timer is moved for each message. */
  #watch(): void {
    this.#cancel();
    const left = this.#heardAt + SILENT_AFTER - this.#world.now();
    if (left <= 0) return this.#retry("the relay is silent");
    this.#cancel = this.#world.after(left, () => this.#watch());
  }

  #arm(ms: number, why: string): void {
    this.#cancel();
    this.#cancel = this.#world.after(ms, () => this.#retry(why));
  }

  #leave(): void {
    this.#cancel();
    this.#cancel = () => undefined;
    const socket = this.#socket;
    this.#socket = null;
    socket?.close(1000);
  }

  #send(message: ClientMessage): boolean {
    if (this.#phase.is !== "live" || this.#socket === null) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  #enter(phase: Phase): void {
    this.#phase = phase;
    this.#listener.entered(phase);
  }
}
