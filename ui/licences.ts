// Which packages are in the built pages, and what their licences ask to be said: `licences.txt` beside the pages.

import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Plugin } from "vite";

/** Its stylesheets are compiled into ours without being modules of the bundle. */
const STYLES = fileURLToPath(new URL("node_modules/tailwindcss", import.meta.url));

/** Licences that ask for no more than to be shown. Another one is a decision, so it ends the build. */
const ALLOWED = ["MIT", "ISC", "BSD-2-Clause", "BSD-3-Clause", "0BSD"];

const HEAD = "The dashboard holds code of the packages below, under the licences that follow.\n";

/** Writes `licences.txt`, from what is in the bundle. */
export function licences(): Plugin {
  return {
    name: "licences",
    apply: "build",
    generateBundle(_options, bundle) {
      const folders = new Set([STYLES]);
      for (const part of Object.values(bundle)) {
        if (part.type !== "chunk") continue;
        for (const id of part.moduleIds) {
          const folder = /^\0?(.*\/node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(id)?.[1];
          if (folder !== undefined) folders.add(folder);
        }
      }
      // By name, for the folders' own paths differ from one machine to the next.
      const texts = [...folders].map((folder) => licence(folder)).sort();
      const source = [HEAD, ...texts].join("\n" + "-".repeat(72) + "\n\n");
      this.emitFile({ type: "asset", fileName: "licences.txt", source });
    },
  };
}

function licence(folder: string): string {
  const about = JSON.parse(readFileSync(`${folder}/package.json`, "utf8")) as Record<string, unknown>;
  const called = `${String(about["name"])} ${String(about["version"])}`;
  const name = String(about["license"]);
  if (!ALLOWED.includes(name))
    throw new Error(`${called} has the licence ${name}; decide about it in licences.ts`);
  const file = readdirSync(folder).find((one) => /^licen[cs]e/i.test(one));
  if (file === undefined) throw new Error(`${called} comes without the text of its licence`);
  return `${called} (${name})\n\n${readFileSync(`${folder}/${file}`, "utf8").trim()}\n`;
}
