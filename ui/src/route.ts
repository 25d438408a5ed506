// Which page an address means. Everything is in the fragment, so no server needs to know the pages, and no id of a
// target, which may be any text, becomes a path on a server.

import { type Filter, fromQuery, NO_FILTER, toQuery } from "./model/filter.ts";

/** The views of a target. */
export const TABS = ["tree", "graph", "timeline", "audit", "charts"] as const;
export type Tab = (typeof TABS)[number];

/** A page. */
export type Route =
  | { readonly page: "fleet" }
  | { readonly page: "target"; readonly target: string; readonly tab: Tab; readonly filter: Filter }
  | { readonly page: "child"; readonly target: string; readonly path: string }
  | { readonly page: "timeline"; readonly filter: Filter }
  | { readonly page: "audit" }
  | { readonly page: "charts" }
  | { readonly page: "lost" };

/** The page of a fragment such as `#/t/shop/child/db`. */
export function parse(fragment: string): Route {
  if (fragment === "" || fragment === "#" || fragment === "#/") return { page: "fleet" };
  const [way = "", query = ""] = fragment.replace(/^#\/?/, "").split("?", 2);
  const filter = fromQuery(new URLSearchParams(query));
  let parts: string[];
  try {
    parts = way.split("/").map(decodeURIComponent);
  } catch {
    return { page: "lost" };
  }
  const [head, target, tab, ...rest] = parts;
  if (head === "timeline" && target === undefined) return { page: "timeline", filter };
  if (head === "audit" && target === undefined) return { page: "audit" };
  if (head === "charts" && target === undefined) return { page: "charts" };
  if (head !== "t" || target === undefined || target === "") return { page: "lost" };
  if (tab === undefined || tab === "") return { page: "target", target, tab: "tree", filter };
  if (tab === "child")
    return { page: "child", target, path: `/${rest.filter((part) => part !== "").join("/")}` };
  const known = TABS.find((one) => one === tab);
  return known !== undefined && rest.length === 0
    ? { page: "target", target, tab: known, filter }
    : { page: "lost" };
}

/** The fragment of a page; `parse` gives the page back. */
export function href(route: Exclude<Route, { page: "lost" }>): string {
  switch (route.page) {
    case "fleet":
      return "#/";
    case "audit":
      return "#/audit";
    case "charts":
      return "#/charts";
    case "timeline":
      return `#/timeline${queryOf(route.filter)}`;
    case "child":
      return `#/t/${encodeURIComponent(route.target)}/child${route.path.split("/").map(encodeURIComponent).join("/")}`;
    case "target":
      return `#/t/${encodeURIComponent(route.target)}${route.tab === "tree" ? "" : `/${route.tab}`}${queryOf(route.filter)}`;
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

function queryOf(filter: Filter): string {
  const query = toQuery(filter).toString();
  return query === "" ? "" : `?${query}`;
}
