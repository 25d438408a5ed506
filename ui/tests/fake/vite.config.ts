// `npm run dev`: the pages as they are written, with the fake relay behind them.

import type { Server } from "node:http";
import { fileURLToPath } from "node:url";
import { mergeConfig } from "vite";
import base from "../../vite.config.ts";
import { FakeRelay } from "./relay.ts";
import { fleet } from "./scenes.ts";

export default mergeConfig(base, {
  // The schema of a manifest stands beside the pages, not in them.
  server: { fs: { allow: [fileURLToPath(new URL("../../../", import.meta.url))] } },
  plugins: [
    {
      name: "fake-relay",
      configureServer({ httpServer }: { httpServer: Server | null }) {
        if (httpServer !== null) new FakeRelay(fleet(Date.now())).attach(httpServer);
      },
    },
  ],
});
