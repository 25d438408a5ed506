// Real stacks of real programs, and a real relay before them, run by the real binary, whose path is in the variable
// SUPERVISOR.

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

/** A run of `supervisor run`, with a place of its own for all that it keeps. */
export class Stack {
  readonly #place = new Place();
  readonly #name: string;
  #running: ChildProcess | null = null;
  #address = "";

  constructor(name: string, text: string) {
    this.#name = name;
    this.#place.write("stack.yaml", text);
  }

  /** Where the dashboard is. */
  get address(): string {
    return this.#address;
  }

  /** Starts it, at the address that it had before if it had one. */
  async start(): Promise<void> {
    const at = this.#address === "" ? "127.0.0.1:0" : new URL(this.#address).host;
    this.#running = this.#place.start(["run", "--dashboard", at, "stack.yaml"]);
    this.#address = `${await said(this.#running, /dashboard: (http:\/\/[0-9.:]+)/)}/`;
  }

  /** Another link to sign in by. */
  async link(): Promise<string> {
    return (await this.#place.ask(["dashboard", this.#name])).trim();
  }

  /** Sends a signal to the supervisor itself. */
  signal(name: NodeJS.Signals): void {
    this.#running?.kill(name);
  }

  /** Its exit code when it has ended; `null`: by a signal. */
  ended(): Promise<number | null> {
    return this.#running === null ? Promise.resolve(null) : end(this.#running);
  }

  /** Ends it, and takes its place away. Its programs go with it. */
  async clear(): Promise<void> {
    this.signal("SIGKILL");
    await this.ended();
    this.#place.remove();
  }
}

/** A `supervisor relay` that lets one operator in, by a token, and the runs that are registered with it. */
export class Relay {
  readonly #place = new Place();
  readonly #runs = new Map<string, ChildProcess>();
  #running: ChildProcess | null = null;
  #address = "";
  #item = "";
  #token = "";

  /** Where the dashboard is. */
  get address(): string {
    return this.#address;
  }

  /** What ann signs in by. It holds for as long as the file names it, however often the relay is started. */
  get token(): string {
    return this.#token;
  }

  /** Starts it, at the address that it had before if it had one. */
  async start(): Promise<void> {
    if (this.#token === "") {
      const text = await this.#place.ask(["relay", "token", "ann"]);
      this.#token = /^token: (\S+)$/m.exec(text)?.[1] ?? "";
      this.#item = /- \{name: .*\}/.exec(text)?.[0] ?? "";
    }
    const listen = this.#address === "" ? "127.0.0.1:0" : new URL(this.#address).host;
    const rights = `roles: [{identity: ann, targets: "*", role: operator}]`;
    this.#place.write("relay.yaml", `version: 1\nlisten: "${listen}"\ntokens:\n  ${this.#item}\n${rights}\n`);
    this.#running = this.#place.start(["relay", "relay.yaml"]);
    this.#address = `${await said(this.#running, /browsers connect to (http:\/\/[0-9.:]+)/)}/`;
  }

  /** Runs a stack that registers with it. */
  run(name: string, text: string): void {
    const socket = join(this.#place.folder, "run/tokio-supervisor/relay.sock");
    const file = `${name}.yaml`;
    this.#place.write(file, `${text}control:\n  registration: {relay: ${socket}}\n`);
    const running = this.#place.start(["run", file]);
    // Nobody reads what it says, and a full pipe would stop it.
    running.stdout?.resume();
    running.stderr?.resume();
    this.#runs.set(name, running);
  }

  /** Sends a signal to the supervisor of a stack. */
  signal(name: string, signal: NodeJS.Signals): void {
    this.#runs.get(name)?.kill(signal);
  }

  /** Kills the relay; its targets run on. */
  async kill(): Promise<void> {
    this.#running?.kill("SIGKILL");
    if (this.#running !== null) await end(this.#running);
  }

  /** Ends all of it, and takes its place away. */
  async clear(): Promise<void> {
    await this.kill();
    for (const run of this.#runs.values()) run.kill("SIGKILL");
    for (const run of this.#runs.values()) await end(run);
    this.#place.remove();
  }
}

/** A directory of its own for all that programs keep. */
class Place {
  readonly folder = mkdtempSync(join(tmpdir(), "ui-"));
  readonly #env: Record<string, string> = {
    PATH: process.env["PATH"] ?? "",
    HOME: this.folder,
    XDG_STATE_HOME: join(this.folder, "state"),
    XDG_RUNTIME_DIR: join(this.folder, "run"),
  };

  constructor() {
    mkdirSync(join(this.folder, "run"), { mode: 0o700 });
  }

  write(name: string, text: string): void {
    writeFileSync(join(this.folder, name), text);
  }

  /** Starts the binary. */
  start(args: readonly string[]): ChildProcess {
    return spawn(binary(), args, { cwd: this.folder, env: this.#env, stdio: ["ignore", "pipe", "pipe"] });
  }

  /** What the binary prints. */
  async ask(args: readonly string[]): Promise<string> {
    return (await promisify(execFile)(binary(), args, { cwd: this.folder, env: this.#env })).stdout;
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Waits until a program has said this, and gives its group. It is read on for as long as it runs. */
function said(running: ChildProcess, wanted: RegExp): Promise<string> {
  let text = "";
  return new Promise((found, failed) => {
    const hear = (part: Buffer) => {
      text += String(part);
      const word = wanted.exec(text)?.[1];
      if (word !== undefined) found(word);
    };
    running.stdout?.on("data", hear);
    running.stderr?.on("data", hear);
    running.once("error", failed);
    running.once("close", (code) => failed(new Error(`it ended with ${code}:\n${text}`)));
  });
}

/** The exit code of a program when it has ended; `null`: by a signal. */
function end(running: ChildProcess): Promise<number | null> {
  if (running.exitCode !== null || running.signalCode !== null) return Promise.resolve(running.exitCode);
  return new Promise((done) => running.once("close", done));
}

function binary(): string {
  const path = process.env["SUPERVISOR"];
  if (path === undefined)
    throw new Error("SUPERVISOR names no binary; `cargo xtask test --ui` builds one and says where it is");
  return path;
}
