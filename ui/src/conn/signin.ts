// Who this tab is. A printed link has a code in its fragment, which no server and no log sees; it is traded once for a
// token that lives as long as the tab, is never a cookie, and is offered when the connection is opened.

/** Where the relay answers, relative to the page. */
const SIGN_IN = "./login";
const SOCKET = "./ws";

/** The protocol that is selected; a token is offered beside it and never echoed. */
const PROTOCOL = "tokio-supervisor.v1";

const TOKEN = "supervisor.token";
const STORE = "supervisor.store";

/** What signing in needs of the browser. */
export interface Tab {
  readonly storage: Pick<Storage, "getItem" | "setItem" | "removeItem">;
  fetch(path: string, body: string): Promise<{ readonly ok: boolean; json(): Promise<unknown> }>;
}

/** How signing in by a link went. */
export type SignIn =
  { readonly is: "none" } | { readonly is: "done" } | { readonly is: "refused"; readonly why: string };

/** The code in the fragment of a printed link, or `null`. Routes begin with `#/`, so they are never taken for one. */
export function codeIn(fragment: string): string | null {
  return /^#code=([A-Za-z0-9_-]{1,512})$/.exec(fragment)?.[1] ?? null;
}

/** Trades the code of a printed link for a token. */
export async function signIn(fragment: string, tab: Tab): Promise<SignIn> {
  const code = codeIn(fragment);
  if (code === null) return { is: "none" };
  try {
    const answer = await tab.fetch(SIGN_IN, JSON.stringify({ code }));
    if (!answer.ok) return { is: "refused", why: "the link was used already or is too old" };
    const token = ((await answer.json()) as { readonly token?: unknown } | null)?.token;
    if (typeof token !== "string" || token === "") return { is: "refused", why: "the relay gave no token" };
    tab.storage.setItem(TOKEN, token);
    return { is: "done" };
  } catch {
    return { is: "refused", why: "the relay cannot be reached" };
  }
}

/** The protocols to offer when the connection is opened. */
export function protocols(tab: Pick<Tab, "storage">): string[] {
  const token = tab.storage.getItem(TOKEN);
  return token === null ? [PROTOCOL] : [PROTOCOL, token];
}

/** Keeps a token that a person pasted. */
export function useToken(tab: Pick<Tab, "storage">, token: string): void {
  tab.storage.setItem(TOKEN, token.trim());
}

/** The name of this tab to the relay; `fresh` makes one when there is none. */
export function storeId(tab: Pick<Tab, "storage">, fresh: () => string): string {
  const known = tab.storage.getItem(STORE);
  if (known !== null) return known;
  const made = fresh();
  tab.storage.setItem(STORE, made);
  return made;
}

/** The address of the relay's socket, beside the page at `page`. */
export function socketAddress(page: string): string {
  const address = new URL(SOCKET, page);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  address.hash = "";
  address.search = "";
  return address.href;
}
