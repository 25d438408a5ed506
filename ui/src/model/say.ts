// An event in a few words, for a row of a list.

import { endingOf } from "../fold/notes.ts";
import type { EventRecord } from "../wire.ts";
import { CAUSES, ENDED, nextWords, SAY } from "../text.ts";
import { count, span } from "./time.ts";

/** What an event says beyond its name. */
export function say(event: EventRecord): string {
  const payload = event.payload ?? {};
  const parts: string[] = [];
  const ending = endingOf(payload["exit"]);
  if (ending !== null) {
    const place = ending.place === null ? "" : SAY.at(ending.place);
    parts.push(
      `${ENDED[ending.kind] ?? ending.kind}${ending.message === null ? "" : `: ${ending.message}`}${place}`,
    );
  } else {
    const { cause, cause_path, requested_by, reason, text } = payload;
    if (cause === "operator" && typeof requested_by === "string") {
      parts.push(typeof reason === "string" ? `${requested_by}: ${reason}` : requested_by);
    } else if (typeof cause === "string" && cause !== "exit" && CAUSES[cause] !== undefined) {
      parts.push(typeof cause_path === "string" ? `${CAUSES[cause]} (${cause_path})` : CAUSES[cause]);
    }
    if (typeof text === "string" && text !== "") parts.push(text);
  }
  const ran = payload["ran_ms"];
  if (typeof ran === "number") parts.push(SAY.after(span(ran)));
  const took = payload["took_ms"];
  if (typeof took === "number") parts.push(SAY.took(span(took)));
  const { next, next_in_ms, next_path } = payload;
  const then =
    typeof next === "string"
      ? nextWords(
          next,
          typeof next_in_ms === "number" ? span(next_in_ms) : null,
          typeof next_path === "string" ? next_path : null,
        )
      : null;
  if (then !== null) parts.push(then.replace(/\.$/, ""));
  return parts.join(" · ");
}

/** A gap in a few words. */
export function sayGap(stream: string, from: number, to: number): string {
  const many = to - from + 1;
  return SAY.gap(count(many), SAY.records(stream, many), count(from), count(to));
}
