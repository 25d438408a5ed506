import { defineConfig } from "vitest/config";

// Measurements in a real browser against the built pages. They tell of the machine too, so they are no tests.
export default defineConfig({
  test: {
    include: ["tests/load/**/*.test.ts"],
    testTimeout: 120_000,
    hookTimeout: 60_000,
    fileParallelism: false,
  },
});
