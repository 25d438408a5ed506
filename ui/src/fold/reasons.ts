// The policy of the child that is looked at, as its target tells it when it is asked why the child is as it is. One question
// at a time: the relay refuses a second.

import type { PolicyAnswer, ServerMessage, WhyQuery } from "../wire.ts";

/** The capability of a relay that asks its targets why a child is as it is. */
export const WHY = "why";

/** Whose policy is wanted. Another version of the spec is another question. */
export interface Subject {
  readonly target: string;
  readonly path: string;
  readonly version: string;
}

/** How far it is. */
export type Standing =
  | { readonly is: "asking" }
  | { readonly is: "had"; readonly policy: PolicyAnswer }
  /** The target does not say. */
  | { readonly is: "untold" }
  | { readonly is: "refused"; readonly why: string };

/** Sends a question; `false` when it cannot be sent now. */
export type Send = (query: WhyQuery & { readonly type: "why_query" }) => boolean;

export class Reasons {
  readonly #send: Send;
  #subject: Subject | null = null;
  #standing: Standing = { is: "asking" };
  /** The question that has no answer yet, and whether its answer is still wanted. */
  #open: { readonly id: string; readonly wanted: boolean } | null = null;
  #questions = 0;

  constructor(send: Send) {
    this.#send = send;
  }

  get standing(): Standing {
    return this.#standing;
  }

  /** Wants the policy of this child from now on; `null`: nobody does. */
  want(subject: Subject | null): void {
    if (JSON.stringify(subject) === JSON.stringify(this.#subject)) return;
    // Of the same child what was had stays in sight until the answer comes.
    const isSame = subject?.target === this.#subject?.target && subject?.path === this.#subject?.path;
    this.#subject = subject;
    if (!isSame) this.#standing = { is: "asking" };
    this.again();
  }

  /** The relay is there again: an answer that was on its way is lost. */
  live(): void {
    this.#open = null;
    this.again();
  }

  /** Asks anew. */
  again(): void {
    if (this.#open !== null) this.#open = { ...this.#open, wanted: false };
    else this.#ask();
  }

  /** Takes the answer to its question. Returns whether it was one. */
  hear(message: ServerMessage): boolean {
    const id =
      message.type === "why_answer" ? message.query_id : message.type === "error" ? message.command_id : null;
    if (this.#open === null || id !== this.#open.id) return false;
    const { wanted } = this.#open;
    this.#open = null;
    if (!wanted) this.#ask();
    else if (message.type === "why_answer") {
      const policy = message.why.policy;
      this.#standing = policy == null ? { is: "untold" } : { is: "had", policy };
    } else if (message.type === "error")
      this.#standing =
        message.error.code === "unsupported_method"
          ? { is: "untold" }
          : { is: "refused", why: message.error.message };
    return true;
  }

  #ask(): void {
    if (this.#open !== null || this.#subject === null) return;
    const query_id = `why-${++this.#questions}`;
    const { target: target_id, path: child_path } = this.#subject;
    if (this.#send({ type: "why_query", query_id, target_id, child_path }))
      this.#open = { id: query_id, wanted: true };
  }
}
