import { defineConfig } from "vitest/config";

// Tests in a real browser against the built pages: `npm run build` first.
export default defineConfig({
  test: {
    include: ["tests/browser/**/*.test.ts"],
    // Only what never comes takes so long: a machine that does much else is no reason to fail.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 60_000 } },
    // One browser at a time: what is measured is a page, not the machine.
    fileParallelism: false,
  },
});
