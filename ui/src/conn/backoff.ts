// How long to wait before the next attempt to connect.

/** The first waits, in milliseconds, and the last one for ever after. A relay that was started again is live within 5 s. */
const WAITS = [250, 500, 1_000, 2_000, 3_000];

/**
 * The wait before attempt `attempt`, from 0, in milliseconds. A fifth of it is chance, so that many browsers do not
 * come back at one moment.
 */
export function waitBefore(attempt: number, chance: () => number): number {
  const wait = WAITS[Math.min(attempt, WAITS.length - 1)] ?? 0;
  return Math.round(wait * (0.8 + 0.2 * chance()));
}
