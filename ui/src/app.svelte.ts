// What the page shows, made of what the relay says. Messages are folded as they come; drawing happens once per frame.

import { flushSync } from "svelte";
import { Fleet } from "./fold/fleet.ts";
import type { Target } from "./fold/target.ts";
import { Inbox, turns } from "./conn/inbox.ts";
import { nanos } from "./conn/read.ts";
import { type Listener, type Phase, Session, type World } from "./conn/session.ts";
import { protocols, socketAddress, storeId } from "./conn/signin.ts";
import type { Asking, Verb } from "./model/actions.ts";
import { Commands, type Progress } from "./model/commands.ts";
import { conditions } from "./model/filter.ts";
import type { Bulk } from "./model/selection.ts";
import { Skew } from "./model/time.ts";
import { AUDIT, Past } from "./fold/past.ts";
import { Reasons, WHY } from "./fold/reasons.ts";
import { choosing, chosenIn, href, parse, type Route } from "./route.ts";
import type { FilterConditions, ServerMessage } from "./wire.ts";

/** How often ages and countdowns are drawn anew, in milliseconds. */
const TICK = 500;
/** How often at most sums over all targets are made, in milliseconds: a change is seen within a quarter of a second. */
const BEAT = 200;
/** A drawing that takes longer, in milliseconds, is followed by a rest of the same length. */
const SLOW = 8;
/** How long a command may take when its target does not say, in milliseconds. */
const TIMEOUT = 30_000;

/** A question that is open: a command waits for its reason. */
export interface Question {
  readonly verb: Verb;
  readonly target: Target;
  readonly paths: readonly string[];
  /** Of a selection those who do not take the command, and why. */
  readonly refused?: Bulk["refused"];
}

class App implements Listener {
  readonly fleet = new Fleet();
  readonly commands = new Commands();
  readonly skew = new Skew();
  /** The relay's audit of before. */
  readonly past = new Past((query) => this.#session.ask(query));
  /** The policy of the child that is looked at. */
  readonly reasons = new Reasons((query) => this.#session.ask(query));

  phase = $state.raw<Phase>({ is: "connecting", attempt: 0 });
  route = $state.raw<Route>(parse(location.hash));
  question = $state.raw<Question | null>(null);
  /** Which panel lies over the page. */
  over = $state<"palette" | "help" | null>(null);
  /** Why a printed link did not work. */
  signInTrouble = $state<string | null>(null);
  /** The page's clock, in milliseconds. */
  now = $state(Date.now());
  /** Something came that could not be used. */
  complaint = $state<string | null>(null);

  #frame = $state(0);
  #dirty = false;
  #restUntil = 0;
  #beat = $state(0);
  #beatAt = 0;
  #beatDue = false;
  #heardAt: number | null = null;
  #hello = $derived(this.phase.is === "live" ? this.phase.hello : null);
  #role: string | null = null;
  #identity: string | null = null;
  #capabilities: readonly string[] | null = null;
  readonly #session: Session;

  constructor() {
    this.#session = new Session(
      world,
      this,
      storeId({ storage: sessionStorage }, () => crypto.randomUUID()),
    );
  }

  start(): void {
    this.#session.connect();
    addEventListener("hashchange", () => this.#go(parse(location.hash)));
    addEventListener("online", () => this.#session.phase.is === "waiting" && this.#session.connect());
    setInterval(() => (this.now = Date.now()), TICK);
    // The address may have changed since this was made: a code is taken out of it.
    this.#go(parse(location.hash));
  }

  /** Connects now, when a person asks for it. */
  reconnect(): void {
    this.#session.connect();
  }

  get live(): boolean {
    return this.phase.is === "live";
  }

  get identity(): string | null {
    return this.#hello?.client_identity ?? this.#identity;
  }

  get role(): string | null {
    return this.#hello ? (this.#hello.role ?? null) : this.#role;
  }

  /** The targets' time, in Unix nanoseconds. */
  get nanos(): number {
    return (this.now + this.skew.ms) * 1e6;
  }

  /** When anything was last heard from the relay, in milliseconds of the page's clock. */
  get heardAt(): number | null {
    return this.drawn(() => this.#heardAt);
  }

  /** Reads what was folded, and is read again at the next frame in which something changed. */
  drawn<T>(read: () => T): T {
    return this.#frame >= 0 ? read() : read();
  }

  /** Like `drawn`, for what is summed up over everything: at once when it was quiet, and then a few times in a second. */
  settled<T>(read: () => T): T {
    return this.#beat >= 0 ? read() : read();
  }

  /** Whether the relay can do this beyond what all can; `null` until one was there. */
  can(capability: string): boolean | null {
    const said = this.#hello?.capabilities ?? this.#capabilities;
    return said === null ? null : said.includes(capability);
  }

  /** What is chosen on this page under a key of its address; empty when nothing is. */
  chosen(key: string): string {
    return chosenIn(this.route, key);
  }

  /** Chooses on this page; the address says it, and what was there before is no step back. */
  choose(choices: Readonly<Record<string, string>>): void {
    const to = choosing(this.route, choices);
    if (to.page === "lost") return;
    history.replaceState(null, "", href(to));
    this.#go(to);
  }

  target(id: string): Target | undefined {
    return this.drawn(() => this.fleet.targets.get(id));
  }

  /** How old what is known of a target is, in milliseconds; `null` when nothing is. */
  age(target: Target): number | null {
    const heard = this.drawn(() => target.heardAt);
    if (heard === null) return null;
    // A target that is connected and quiet is as it was for as long as the relay is heard.
    const connected = this.drawn(() => target.connection) === "connected";
    const relay = this.live && connected ? (this.heardAt ?? 0) : 0;
    return Math.max(0, this.now - Math.max(heard, relay));
  }

  /** Whether what is shown of a target is how it is now. */
  current(target: Target): boolean {
    const { registration_state, connection_state } = this.drawn(() => target.listed);
    return this.live && connection_state === "connected" && registration_state === "active";
  }

  asking(target: Target): Asking {
    return { role: this.role, live: this.current(target), target: this.drawn(() => target.listed) };
  }

  /** Sends a command, one for each path. */
  send(verb: Verb, target: Target, paths: readonly string[], reason: string, manifest?: unknown): void {
    for (const child_path of paths) {
      const whole = verb === "shutdown_tree";
      this.#give({
        command_id: crypto.randomUUID(),
        target_id: target.id,
        command: verb,
        target: {
          ...(!whole && { child_path }),
          ...(manifest !== undefined && { child_manifest: manifest }),
        },
        reason,
        confirmed: verb === "remove_child" || verb === "shutdown_tree" || verb === "add_child",
      });
    }
  }

  /** Asks again how a command went whose answer was lost. The same id is never carried out twice. */
  again(progress: Progress): void {
    this.#give(progress.command);
  }

  #give(command: Progress["command"]): void {
    const target = this.fleet.targets.get(command.target_id);
    const known = target?.listed.supported_commands?.find((one) => one.name === command.command);
    const seconds = known?.timeout_seconds;
    this.commands.sent(command, Date.now(), typeof seconds === "number" ? seconds * 1000 : TIMEOUT);
    if (!this.#session.command(command)) this.commands.lost();
    this.#draw();
  }

  // What the session tells.

  entered(phase: Phase): void {
    if (this.phase.is === "live" && phase.is !== "live") this.commands.lost();
    if (phase.is === "live") {
      this.#role = phase.hello.role ?? null;
      this.#identity = phase.hello.client_identity;
      this.#capabilities = phase.hello.capabilities;
    }
    this.phase = phase;
    if (phase.is === "live" && phase.hello.capabilities.includes(AUDIT)) this.past.live();
    if (phase.is === "live" && phase.hello.capabilities.includes(WHY)) this.reasons.live();
    this.now = Date.now();
    this.#draw();
  }

  message(message: ServerMessage): void {
    const now = Date.now();
    if (this.past.hear(message) || this.reasons.hear(message)) return this.#draw();
    this.fleet.apply(message, now);
    this.commands.hear(message, now);
    if (message.type === "event") {
      const at = nanos(message.event.occurred_at_unix_nanos);
      if (at !== null) this.skew.seen(at, now);
    }
    if (message.type === "error" && message.command_id == null) this.complaint = message.error.message;
    this.#draw();
  }

  heard(atMs: number, relayNanos: number | null): void {
    this.#heardAt = atMs;
    if (relayNanos !== null) this.skew.told(relayNanos, atMs);
    this.#draw();
  }

  broken(why: string): void {
    this.complaint = `The relay sent ${why}; it was left out.`;
  }

  #go(route: Route): void {
    this.route = route;
    const wanted: FilterConditions | null =
      route.page === "timeline" || (route.page === "target" && route.tab === "timeline")
        ? conditions(route.filter)
        : null;
    this.#session.want(wanted);
  }

  #draw(): void {
    if (this.#dirty) return;
    this.#dirty = true;
    const rest = this.#restUntil - performance.now();
    if (rest > 0) setTimeout(() => this.#drawNext(), rest);
    else this.#drawNext();
  }

  /** Begins the next beat, or sees to it that there is a drawing when it is due. */
  #settle(now: number): void {
    const due = this.#beatAt + BEAT - now;
    if (due <= 0) {
      this.#beat++;
      this.#beatAt = now;
    } else if (!this.#beatDue) {
      this.#beatDue = true;
      setTimeout(() => {
        this.#beatDue = false;
        this.#draw();
      }, due);
    }
  }

  #drawNext(): void {
    requestAnimationFrame(() => {
      this.#dirty = false;
      const began = performance.now();
      flushSync(() => {
        this.#frame++;
        this.#settle(began);
      });
      const took = performance.now() - began;
      // At most half of the time is spent with drawing; the other half is for the reader's hands and what comes in.
      this.#restUntil = took > SLOW ? began + 2 * took : 0;
    });
  }
}

const inbox = new Inbox(turns());

const world: World = {
  connect(events) {
    const socket = new WebSocket(socketAddress(location.href), protocols({ storage: sessionStorage }));
    socket.onopen = () => inbox.put(() => events.opened());
    socket.onmessage = ({ data }) => inbox.put(() => events.received(String(data)));
    socket.onclose = ({ code, reason }) => inbox.put(() => events.closed(code, reason));
    return socket;
  },
  now: () => Date.now(),
  after(ms, then) {
    const timer = setTimeout(then, ms);
    return () => clearTimeout(timer);
  },
  chance: () => Math.random(),
};

export const app = new App();

/**
 * Whether a dialog is open, which keys are for. That one was closed by Escape is told a moment later, and the next key may
 * come before.
 */
export function isAsking(): boolean {
  return document.querySelector("dialog[open]") !== null;
}
