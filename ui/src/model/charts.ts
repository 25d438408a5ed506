// The charts: what each one draws, and what it says in words to those who do not see it.

import type { Points } from "../fold/series.ts";
import { CHARTS, failureWord } from "../text.ts";
import { count } from "./time.ts";

/** How much time a chart shows. */
export interface Range {
  readonly minutes: number;
  /** How many moments one point sums up; there are as many points whatever the range. */
  readonly moments: number;
}

/** The ranges to choose from. */
export const RANGES: readonly Range[] = [
  { minutes: 5, moments: 1 },
  { minutes: 15, moments: 3 },
  { minutes: 60, moments: 12 },
];

/** The range of so many minutes; the first when there is none such. */
export function rangeOf(minutes: string): Range {
  return RANGES.find((one) => String(one.minutes) === minutes) ?? (RANGES[0] as Range);
}

/** How many points a chart has. */
export const POINTS = 60;

/** One line or one kind of bar. */
export interface Strand {
  readonly name: string;
  readonly values: readonly (number | null)[];
}

/** A chart. */
export interface Chart {
  readonly id: "restarts" | "failures" | "ready" | "events";
  readonly title: string;
  /** Bars are counts of a point; a line is how it was at its end. */
  readonly as: "bars" | "line";
  readonly strands: readonly Strand[];
}

/** The charts of these points, in the order in which they are drawn. */
export function charts(points: Points): Chart[] {
  const kinds = [...points.failures].sort(([a], [b]) => a.localeCompare(b));
  const failures = kinds.map(([kind, values]) => ({ name: failureWord(kind), values }));
  const none = { name: CHARTS.noFailure, values: points.events.map((value) => (value === null ? null : 0)) };
  return [
    {
      id: "restarts",
      title: CHARTS.restarts,
      as: "bars",
      strands: [{ name: CHARTS.restarts, values: points.restarts }],
    },
    {
      id: "failures",
      title: CHARTS.failures,
      as: "bars",
      strands: failures.length === 0 ? [none] : failures,
    },
    { id: "ready", title: CHARTS.ready, as: "line", strands: [{ name: CHARTS.ready, values: points.ready }] },
    {
      id: "events",
      title: CHARTS.events,
      as: "bars",
      strands: [{ name: CHARTS.events, values: points.events }],
    },
  ];
}

/** What a chart says at a point, or over all of its time. */
export function saying(chart: Chart, place: number | null): string {
  if (chart.as === "line") {
    const values = chart.strands[0]?.values ?? [];
    const value = place === null ? values.findLast((one) => one !== null) : values[place];
    return value == null ? CHARTS.unknown : count(value);
  }
  const said = chart.strands
    .map(({ name, values }) => ({ name, value: place === null ? sum(values) : values[place] }))
    .filter((one): one is { name: string; value: number } => one.value != null);
  if (said.length === 0) return place !== null && chart.id === "failures" ? "0" : CHARTS.unknown;
  return said
    .map(({ name, value }) =>
      chart.strands.length === 1 && name === chart.title ? count(value) : `${name} ${count(value)}`,
    )
    .join(", ");
}

/** Bars on top of each other: each strand with those below it added, the highest first. `null` counts as nothing. */
export function stacked(strands: readonly Strand[]): (number | null)[][] {
  const sums: (number | null)[][] = [];
  for (const { values } of strands) {
    const below = sums.at(-1);
    sums.push(
      values.map((value, at) =>
        value === null && below?.[at] == null ? null : (value ?? 0) + (below?.[at] ?? 0),
      ),
    );
  }
  return sums.reverse();
}

function sum(values: readonly (number | null)[]): number | null {
  return values.reduce<number | null>((all, value) => (value === null ? all : (all ?? 0) + value), null);
}
