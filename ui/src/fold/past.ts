// What the relay's audit holds of before, as far as somebody looked. One question at a time: the relay refuses a second.

import type { AuditQuery, AuditRow, ServerMessage } from "../wire.ts";
import { type Search, toQuery } from "../model/audit.ts";

/** The capability of a relay that answers questions about its audit. */
export const AUDIT = "audit";
/** How many rows are asked for at a time. */
export const PAGE = 100;

/** How far it is. */
export type Standing =
  | { readonly is: "asking" }
  | { readonly is: "had"; readonly more: boolean }
  | { readonly is: "refused"; readonly why: string };

/** Sends a question; `false` when it cannot be sent now. */
export type Send = (query: AuditQuery & { readonly type: "audit_query" }) => boolean;

export class Past {
  readonly #send: Send;
  #search: Search | null = null;
  #rows: readonly AuditRow[] = [];
  #standing: Standing = { is: "asking" };
  /** The question that has no answer yet, and whether its answer is still wanted. */
  #open: { readonly id: string; readonly wanted: boolean } | null = null;
  #questions = 0;
  /** Whether the next answer is the first page, and takes the place of what was had. */
  #anew = true;

  constructor(send: Send) {
    this.#send = send;
  }

  /** The newest first. */
  get rows(): readonly AuditRow[] {
    return this.#rows;
  }

  get standing(): Standing {
    return this.#standing;
  }

  /** Looks for this from now on; `null`: nobody looks. The same search goes on where it is. */
  want(search: Search | null): void {
    if (JSON.stringify(search) === JSON.stringify(this.#search)) return;
    this.#search = search;
    this.#rows = [];
    this.#begin();
  }

  /** The relay is there again: what it told meanwhile was missed, so it is looked up from the newest on. */
  live(): void {
    this.#open = null;
    // What was had stays in sight until the answer comes.
    this.#begin();
  }

  /** The next older ones, or the refused ones again. */
  more(): void {
    this.#ask();
  }

  /** Takes the answer to its question. Returns whether it was one. */
  hear(message: ServerMessage): boolean {
    const id =
      message.type === "audit_page" ? message.query_id : message.type === "error" ? message.command_id : null;
    if (this.#open === null || id !== this.#open.id) return false;
    const { wanted } = this.#open;
    this.#open = null;
    if (!wanted) this.#ask();
    else if (message.type === "audit_page") {
      this.#rows = this.#anew ? message.records : [...this.#rows, ...message.records];
      this.#anew = false;
      this.#standing = { is: "had", more: message.more };
    } else if (message.type === "error") this.#standing = { is: "refused", why: message.error.message };
    return true;
  }

  #begin(): void {
    this.#anew = true;
    this.#standing = { is: "asking" };
    if (this.#open !== null) this.#open = { ...this.#open, wanted: false };
    else this.#ask();
  }

  #ask(): void {
    if (this.#open !== null || this.#search === null) return;
    const id = `audit-${++this.#questions}`;
    this.#standing = { is: "asking" };
    const before = this.#anew ? null : (this.#rows.at(-1)?.audit_id ?? null);
    if (this.#send(toQuery(this.#search, id, PAGE, before))) this.#open = { id, wanted: true };
  }
}
