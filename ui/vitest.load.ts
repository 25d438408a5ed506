import { defineConfig } from "vitest/config";

// Measurements in a real browser against the built pages. They tell of the machine too, so they are no tests.
export default defineConfig({
  test: {
    // Whoever has a real relay says where it is.
    include: [process.env["RELAY"] === undefined ? "tests/load/frames.test.ts" : "tests/load/relay.test.ts"],
    testTimeout: 120_000,
    hookTimeout: 60_000,
    fileParallelism: false,
  },
});
