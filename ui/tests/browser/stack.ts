// A real stack of real programs, run by the real binary, whose path is in the variable SUPERVISOR.

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

/** A run of `supervisor run`, with a place of its own for all that it keeps. */
export class Stack {
  readonly #folder = mkdtempSync(join(tmpdir(), "ui-"));
  readonly #name: string;
  readonly #env: Record<string, string>;
  #running: ChildProcess | null = null;
  #said = "";
  #address = "";

  constructor(name: string, text: string) {
    this.#name = name;
    this.#env = {
      PATH: process.env["PATH"] ?? "",
      HOME: this.#folder,
      XDG_STATE_HOME: join(this.#folder, "state"),
      XDG_RUNTIME_DIR: join(this.#folder, "run"),
    };
    mkdirSync(join(this.#folder, "run"), { mode: 0o700 });
    writeFileSync(join(this.#folder, "stack.yaml"), text);
  }

  /** Where the dashboard is. */
  get address(): string {
    return this.#address;
  }

  /** Starts it, at the address that it had before if it had one. */
  async start(): Promise<void> {
    const at = this.#address === "" ? "127.0.0.1:0" : new URL(this.#address).host;
    const running = spawn(binary(), ["run", "--dashboard", at, "stack.yaml"], {
      cwd: this.#folder,
      env: this.#env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#running = running;
    this.#said = "";
    this.#address = await new Promise((found, failed) => {
      const hear = (part: Buffer) => {
        this.#said += String(part);
        const address = /dashboard: (http:\/\/[0-9.:]+)/.exec(this.#said)?.[1];
        if (address !== undefined) found(`${address}/`);
      };
      running.stdout.on("data", hear);
      running.stderr.on("data", hear);
      running.once("error", failed);
      running.once("close", (code) => failed(new Error(`it ended with ${code}:\n${this.#said}`)));
    });
  }

  /** Another link to sign in by. */
  async link(): Promise<string> {
    const { stdout } = await promisify(execFile)(binary(), ["dashboard", this.#name], { env: this.#env });
    return stdout.trim();
  }

  /** Sends a signal to the supervisor itself. */
  signal(name: NodeJS.Signals): void {
    this.#running?.kill(name);
  }

  /** Its exit code when it has ended; `null`: by a signal. */
  ended(): Promise<number | null> {
    const running = this.#running;
    if (running === null || running.exitCode !== null || running.signalCode !== null)
      return Promise.resolve(running?.exitCode ?? null);
    return new Promise((done) => running.once("close", done));
  }

  /** Ends it, and takes its place away. Its programs go with it. */
  async clear(): Promise<void> {
    this.signal("SIGKILL");
    await this.ended();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function binary(): string {
  const path = process.env["SUPERVISOR"];
  if (path === undefined)
    throw new Error("SUPERVISOR names no binary; `cargo xtask test --ui` builds one and says where it is");
  return path;
}
