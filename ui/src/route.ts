// Which page an address means. Everything is in the fragment, so no server needs to know the pages, and no id of a
// target, which may be any text, becomes a path on a server.

import { type Filter, fromQuery, NO_FILTER, toQuery } from "./model/filter.ts";

/** The views of a target. */
export const TABS = ["tree", "graph", "timeline", "audit", "charts"] as const;
export type Tab = (typeof TABS)[number];

/** A page. What is chosen in it beside a filter stands in its `query`; absent: nothing is. */
export type Route =
  | { readonly page: "fleet" }
  | {
      readonly page: "target";
      readonly target: string;
      readonly tab: Tab;
      readonly filter: Filter;
      readonly query?: string;
    }
  | { readonly page: "child"; readonly target: string; readonly path: string }
  | { readonly page: "timeline"; readonly filter: Filter }
  | { readonly page: "audit"; readonly query?: string }
  | { readonly page: "charts"; readonly query?: string }
  | { readonly page: "lost" };

/** The page of a fragment such as `#/t/shop/child/db`. */
export function parse(fragment: string): Route {
  if (fragment === "" || fragment === "#" || fragment === "#/") return { page: "fleet" };
  const [way = "", query = ""] = fragment.replace(/^#\/?/, "").split("?", 2);
  const chosen = query === "" ? {} : { query };
  let parts: string[];
  try {
    parts = way.split("/").map(decodeURIComponent);
  } catch {
    return { page: "lost" };
  }
  const [head, target, tab, ...rest] = parts;
  if (head === "timeline" && target === undefined) return { page: "timeline", filter: filterOf(query) };
  if (head === "audit" && target === undefined) return { page: "audit", ...chosen };
  if (head === "charts" && target === undefined) return { page: "charts", ...chosen };
  if (head !== "t" || target === undefined || target === "") return { page: "lost" };
  if (tab === undefined || tab === "")
    return { page: "target", target, tab: "tree", filter: NO_FILTER, ...chosen };
  if (tab === "child")
    return { page: "child", target, path: `/${rest.filter((part) => part !== "").join("/")}` };
  const known = TABS.find((one) => one === tab);
  if (known === undefined || rest.length > 0) return { page: "lost" };
  return known === "timeline"
    ? { page: "target", target, tab: known, filter: filterOf(query) }
    : { page: "target", target, tab: known, filter: NO_FILTER, ...chosen };
}

/** The fragment of a page; `parse` gives the page back. */
export function href(route: Exclude<Route, { page: "lost" }>): string {
  switch (route.page) {
    case "fleet":
      return "#/";
    case "audit":
      return `#/audit${asked(route.query)}`;
    case "charts":
      return `#/charts${asked(route.query)}`;
    case "timeline":
      return `#/timeline${asked(toQuery(route.filter).toString())}`;
    case "child":
      return `#/t/${encodeURIComponent(route.target)}/child${route.path.split("/").map(encodeURIComponent).join("/")}`;
    case "target":
      return `#/t/${encodeURIComponent(route.target)}${route.tab === "tree" ? "" : `/${route.tab}`}${asked(route.tab === "timeline" ? toQuery(route.filter).toString() : route.query)}`;
  }
}

/** The page of a target. */
export function toTarget(target: string, tab: Tab = "tree"): string {
  return href({ page: "target", target, tab, filter: NO_FILTER });
}

/** The page of a child. */
export function toChild(target: string, path: string): string {
  return href({ page: "child", target, path });
}

/** What is chosen under a key in a route; empty when nothing is. */
export function chosenIn(route: Route, key: string): string {
  const query = "query" in route ? route.query : undefined;
  return new URLSearchParams(query).get(key) ?? "";
}

/** The same page with other things chosen. An empty text chooses nothing. */
export function choosing(route: Route, choices: Readonly<Record<string, string>>): Route {
  if (route.page !== "target" && route.page !== "audit" && route.page !== "charts") return route;
  const { query: before, ...page } = route;
  const query = new URLSearchParams(before);
  for (const [key, value] of Object.entries(choices)) {
    if (value === "") query.delete(key);
    else query.set(key, value);
  }
  const text = query.toString();
  return text === "" ? page : { ...page, query: text };
}

function filterOf(query: string): Filter {
  return fromQuery(new URLSearchParams(query));
}

function asked(query = ""): string {
  return query === "" ? "" : `?${query}`;
}
