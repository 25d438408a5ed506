import { svelte } from "@sveltejs/vite-plugin-svelte";
import tailwindcss from "@tailwindcss/vite";
import { defineConfig } from "vitest/config";
import { licences } from "./licences.ts";

export default defineConfig({
  plugins: [svelte(), tailwindcss(), licences()],
  // Nothing in the pages says where they are served from.
  base: "./",
  build: {
    outDir: "dist",
    emptyOutDir: true,
    target: "es2022",
    // The polyfill is an inline script, which the content security policy refuses.
    modulePreload: false,
    // An inlined asset is a data: URL, which the policy refuses as well.
    assetsInlineLimit: 0,
    rollupOptions: {
      output: {
        // One name for good: the same source gives the same bytes under the same name.
        entryFileNames: "app.js",
        chunkFileNames: "[name].js",
        assetFileNames: "app.[ext]",
      },
    },
  },
  test: { include: ["tests/unit/**/*.test.ts"] },
});
