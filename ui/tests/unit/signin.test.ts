import { describe, expect, it } from "vitest";
import { codeIn, protocols, signIn, socketAddress, storeId, useToken } from "../../src/conn/signin.ts";

function tab(answer: { ok: boolean; json?: unknown } | "unreachable") {
  const kept = new Map<string, string>();
  const asked: [string, string][] = [];
  return {
    asked,
    storage: {
      getItem: (key: string) => kept.get(key) ?? null,
      setItem: (key: string, value: string) => void kept.set(key, value),
      removeItem: (key: string) => void kept.delete(key),
    },
    fetch: async (path: string, body: string) => {
      asked.push([path, body]);
      if (answer === "unreachable") throw new TypeError("failed");
      return { ok: answer.ok, json: async () => answer.json };
    },
  };
}

describe("signing in", () => {
  it("takes a code only from a fragment that is one, never from a route", () => {
    expect(codeIn("#code=aB3-_x")).toBe("aB3-_x");
    for (const other of ["", "#/t/shop", "#/code=x", "#code=", "#code=a b", "#code=x&y=z"]) {
      expect(codeIn(other), other).toBeNull();
    }
  });

  it("trades the code once and offers the token beside the protocol", async () => {
    const here = tab({ ok: true, json: { token: "t0ken" } });
    expect(protocols(here)).toEqual(["tokio-supervisor.v1"]);
    expect(await signIn("#code=abc", here)).toEqual({ is: "done" });
    expect(here.asked).toEqual([["./login", '{"code":"abc"}']]);
    expect(protocols(here)).toEqual(["tokio-supervisor.v1", "t0ken"]);
  });

  it("says why a link does not work and keeps no token", async () => {
    for (const [answer, why] of [
      [{ ok: false }, "the link was used already or is too old"],
      [{ ok: true, json: { token: "" } }, "the relay gave no token"],
      [{ ok: true, json: null }, "the relay gave no token"],
      ["unreachable", "the relay cannot be reached"],
    ] as const) {
      const here = tab(answer);
      expect(await signIn("#code=abc", here)).toEqual({ is: "refused", why });
      expect(protocols(here)).toEqual(["tokio-supervisor.v1"]);
    }
  });

  it("asks nothing of the relay without a code", async () => {
    const here = tab("unreachable");
    expect(await signIn("#/t/shop", here)).toEqual({ is: "none" });
    expect(here.asked).toEqual([]);
  });

  it("keeps the name of the tab and a token that was pasted", () => {
    const here = tab("unreachable");
    expect([storeId(here, () => "a"), storeId(here, () => "b")]).toEqual(["a", "a"]);
    useToken(here, "  pasted\n");
    expect(protocols(here)[1]).toBe("pasted");
  });

  it("finds the socket beside the page, and never sends a fragment or query", () => {
    expect(socketAddress("http://127.0.0.1:9900/#/t/shop?x=1")).toBe("ws://127.0.0.1:9900/ws");
    expect(socketAddress("https://relay.example/ops/?a=b#/x")).toBe("wss://relay.example/ops/ws");
  });
});
