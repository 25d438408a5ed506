// A relay for tests: it speaks the protocol of the browser and shows a scene. It decides nothing; it is never shipped.

import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import type { AuditQuery, EventRecord, RuntimeRow, WhyQuery } from "../../src/wire.ts";
import { page } from "./audit.ts";
import { why } from "./policy.ts";
import type { Scene } from "./scenes.ts";

/** What a relay sends with every page (`default-src 'none'` and only what is its own). */
export const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const TYPES: Readonly<Record<string, string>> = {
  html: "text/html",
  js: "text/javascript",
  css: "text/css",
  svg: "image/svg+xml",
};
const DIST = new URL("../../dist/", import.meta.url);
/** A code that is taken once, and the token for it. */
export const CODE = "one-time";
export const TOKEN = "a-token-of-the-tab";

type Message = Record<string, unknown>;

export class FakeRelay {
  scene: Scene;
  /** Whether a token is asked for. */
  guarded = false;
  /** Whether the relay answers at all. */
  hung = false;
  readonly heard: Message[] = [];
  readonly #sockets = new Set<WebSocket>();
  readonly #links = new Set<Socket>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #server: Server | null = null;
  #port = 0;
  #code: string | null = CODE;
  #audit = 0;

  constructor(scene: Scene) {
    this.scene = scene;
  }

  get address(): string {
    return `http://127.0.0.1:${this.#port}/`;
  }

  /** Listens, on the port it had before if it had one. */
  async start(): Promise<void> {
    const server = createServer((request, response) => void this.#answer(request, response));
    this.attach(server);
    server.on("connection", (link) => {
      this.#links.add(link);
      link.on("close", () => this.#links.delete(link));
    });
    await new Promise<void>((listening) => server.listen(this.#port, "127.0.0.1", listening));
    this.#server = server;
    this.#port = (server.address() as AddressInfo).port;
  }

  /** Takes over the socket's address of a server. */
  attach(server: {
    on(name: "upgrade", then: (request: IncomingMessage, link: Socket, head: Buffer) => void): unknown;
  }): void {
    const protocols = (offered: Set<string>) =>
      offered.has("tokio-supervisor.v1") ? "tokio-supervisor.v1" : false;
    const beat = setInterval(() => this.say({ type: "heartbeat", at_unix_nanos: Date.now() * 1e6 }), 2_000);
    this.#timers.add(beat);
    const sockets = new WebSocketServer({ noServer: true, handleProtocols: protocols });
    server.on("upgrade", (request, link, head) => {
      if (request.url !== "/ws") return;
      sockets.handleUpgrade(request, link, head, (socket) => this.#opened(socket, request));
    });
  }

  /** Dies, as a process that is killed. */
  async kill(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    for (const link of this.#links) link.destroy();
    const server = this.#server;
    this.#server = null;
    if (server !== null) await new Promise((closed) => server.close(closed));
  }

  /** Says something to every page. */
  say(message: Message): void {
    if (this.hung) return;
    const text = JSON.stringify(message);
    for (const socket of this.#sockets) socket.send(text);
  }

  /** Closes every session with a code. */
  close(code: number): void {
    for (const socket of this.#sockets) socket.close(code);
  }

  #later(ms: number, then: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      then();
    }, ms);
    this.#timers.add(timer);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? "/").split("?")[0] ?? "/";
    if (path === "/login" && request.method === "POST") return this.#login(request, response);
    const name = path === "/" ? "index.html" : path.slice(1);
    const type = TYPES[name.split(".").at(-1) ?? ""];
    try {
      if (type === undefined || name.includes("/")) throw new Error("no such file");
      const bytes = await readFile(new URL(name, DIST));
      response.writeHead(200, {
        "content-type": type,
        "content-security-policy": POLICY,
        "cache-control": "no-store",
      });
      response.end(bytes);
    } catch {
      response.writeHead(404).end();
    }
  }

  async #login(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = "";
    for await (const part of request) body += String(part);
    const good = (JSON.parse(body) as { code?: unknown }).code === this.#code;
    if (good) this.#code = null;
    response.writeHead(good ? 200 : 403, { "content-type": "application/json" });
    response.end(JSON.stringify(good ? { token: TOKEN } : { error: "no" }));
  }

  #opened(socket: WebSocket, request: IncomingMessage): void {
    const offered = (request.headers["sec-websocket-protocol"] ?? "").split(",").map((one) => one.trim());
    if (this.guarded && !offered.includes(TOKEN)) return socket.close(4401);
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
    if (this.hung) return;
    const say = (message: Message) => {
      if (!this.hung && socket.readyState === socket.OPEN) socket.send(JSON.stringify(message));
    };
    say({
      type: "server_hello",
      session_id: "s-1",
      client_identity: "ana",
      log_event_filter_mode: "server",
      log_event_filter_conditions: {},
      filter_config_version: 1,
      protocol_version: "tokio-supervisor.v1",
      role: this.scene.role,
      capabilities: [...(this.scene.past === undefined ? [] : ["audit"]), "heartbeat", "why"],
    });
    socket.on("message", (data) => {
      const message = JSON.parse(String(data)) as Message;
      this.heard.push(message);
      if (message["type"] === "client_hello") this.#greeted(say);
      if (message["type"] === "command") this.#command(message, say);
      if (message["type"] === "audit_query" && this.scene.past !== undefined)
        say(page(this.scene.past, message as unknown as AuditQuery));
      if (message["type"] === "why_query") say(why(message as unknown as WhyQuery));
      if (message["type"] === "log_event_filter_conditions") {
        const { type: _, ...conditions } = message;
        say({ type: "filter_applied", log_event_filter_conditions: conditions, filter_config_version: 2 });
      }
    });
  }

  #greeted(say: (message: Message) => unknown): void {
    say({ type: "target_list", targets: this.scene.actors.map((actor) => actor.listed) });
    for (const { listed, state, said } of this.scene.actors) {
      if (state !== null) say({ type: "state", target_id: listed.target_id, state, stream_epoch: "1" });
      for (const { atMs, message } of said) this.#later(atMs, () => void say(message));
    }
  }

  /** Plays a command through: what a target would say, as far as a page shows it. */
  #command(message: Message, say: (message: Message) => unknown): void {
    const { command_id, target_id, command, reason, target } = message as Record<string, string> & {
      target: { child_path?: string };
    };
    const actor = this.scene.actors.find((one) => one.listed.target_id === target_id);
    const path = target.child_path ?? "/";
    const row = actor?.state?.runtime_state.find((one) => one.child_path === path);
    const result = (status: string, error?: Message) =>
      say({
        type: "command_result",
        target_id,
        result: {
          command_id,
          correlation_id: null,
          target_id,
          accepted: error === undefined,
          status,
          requested_by: "ana",
          completed_at: null,
          completed_at_unix_nanos: Date.now() * 1e6,
          ...(error && { error }),
        },
      });
    const audit = (outcome: string) =>
      this.say({
        type: "audit_event",
        target_id,
        audit: {
          audit_id: `a-${++this.#audit}`,
          identity: "ana",
          target_id,
          command_id,
          command,
          target: path,
          reason,
          result: outcome,
          occurred_at_unix_nanos: Date.now() * 1e6,
        },
      });
    if (row === undefined || actor === undefined || actor.state === null) {
      audit("rejected");
      return void result("rejected", {
        code: "validation_failed",
        stage: "command_validate",
        target_id,
        message: `there is no child '${path}'`,
        retryable: false,
      });
    }
    const state = actor.state;
    let sequence =
      Math.max(
        state.recent_events?.at(-1)?.sequence ?? 0,
        ...actor.said.map((said) => (said.message["event"] as EventRecord | undefined)?.sequence ?? 0),
      ) + 1_000;
    const go = (event_type: string, lifecycle_state: string, more: Partial<RuntimeRow> = {}) => {
      const after: RuntimeRow = { ...row, ...more, lifecycle_state, as_of: ++sequence };
      Object.assign(row, after);
      const payload = {
        state: lifecycle_state,
        health: after.health,
        readiness: after.readiness,
        generation: after.generation,
        attempt: after.attempt,
        restart_count: after.restart_count,
        cause: "operator",
        next: "nothing",
        requested_by: "ana",
        reason,
      };
      const event: EventRecord = {
        target_id: target_id ?? "",
        sequence,
        correlation_id: command_id ?? null,
        event_type,
        severity: "info",
        target_path: path,
        child_id: null,
        occurred_at_unix_nanos: Date.now() * 1e6,
        config_version: "",
        payload,
      };
      this.say({ type: "event", target_id, event });
    };
    audit("accepted");
    go("CommandAccepted", row.lifecycle_state);
    go("ChildStopping", "stopping");
    const next: Readonly<Record<string, () => void>> = {
      pause_child: () => go("Paused", "paused", { readiness: "unreported" }),
      quarantine_child: () => go("ChildQuarantined", "quarantined", { readiness: "unreported" }),
      remove_child: () => go("ChildRuntimeStateRemoved", "removed"),
      shutdown_tree: () => go("ShutdownCompleted", "stopped"),
    };
    this.#later(400, () => {
      const ending = next[command ?? ""];
      if (ending !== undefined) ending();
      else {
        go("ChildStarting", "starting", { generation: row.generation + 1, attempt: 0 });
        go("ChildRunning", "running", { readiness: "not_ready", last_failure: row.last_failure });
        go("ChildReady", "running", { readiness: "ready" });
      }
      result("completed");
      audit("completed");
    });
  }
}
