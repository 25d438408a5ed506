// A world in which a test owns time and the relay.

import type { Listener, Phase, Socket, SocketEvents, World } from "../../src/conn/session.ts";
import type { ServerMessage } from "../../src/wire.ts";

/** One connection, from the relay's side. */
export class Link implements Socket {
  readonly sent: Record<string, unknown>[] = [];
  closedBy: "page" | null = null;
  readonly events: SocketEvents;

  constructor(events: SocketEvents) {
    this.events = events;
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text) as Record<string, unknown>);
  }

  close(): void {
    this.closedBy = "page";
  }

  say(message: object): void {
    this.events.received(JSON.stringify(message));
  }

  greet(more: object = {}): void {
    this.events.opened();
    this.hello(more);
  }

  hello(more: object = {}): void {
    this.say({
      type: "server_hello",
      session_id: "s",
      client_identity: "ann",
      log_event_filter_mode: "server",
      log_event_filter_conditions: {},
      filter_config_version: 3,
      capabilities: [],
      ...more,
    });
  }
}

/** Time, links and what the page was told. */
export class TestWorld implements World, Listener {
  readonly links: Link[] = [];
  readonly phases: Phase[] = [];
  /** What is done when a phase is told. */
  told: (phase: Phase) => unknown = () => undefined;
  readonly messages: ServerMessage[] = [];
  readonly complaints: string[] = [];
  heardAt = -1;
  relayNanos: number | null = null;
  #now = 0;
  #timers: { at: number; then: () => void }[] = [];

  connect(events: SocketEvents): Socket {
    const link = new Link(events);
    this.links.push(link);
    return link;
  }

  now(): number {
    return this.#now;
  }

  after(ms: number, then: () => void): () => void {
    const timer = { at: this.#now + ms, then };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((one) => one !== timer);
    };
  }

  chance(): number {
    return 1;
  }

  entered(phase: Phase): void {
    this.phases.push(phase);
    this.told(phase);
  }

  message(message: ServerMessage): void {
    this.messages.push(message);
  }

  heard(atMs: number, relayNanos: number | null): void {
    this.heardAt = atMs;
    this.relayNanos = relayNanos ?? this.relayNanos;
  }

  broken(why: string): void {
    this.complaints.push(why);
  }

  /** Lets time pass, timer by timer. */
  pass(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const due = this.#timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.#timers = this.#timers.filter((timer) => timer !== due);
      this.#now = due.at;
      due.then();
    }
    this.#now = end;
  }

  get link(): Link {
    const link = this.links.at(-1);
    if (link === undefined) throw new Error("nothing was connected");
    return link;
  }
}
