import js from "@eslint/js";
import svelte from "eslint-plugin-svelte";
import globals from "globals";
import ts from "typescript-eslint";

export default ts.config(
  { ignores: ["dist/", "node_modules/", "tests/out/", "src/wire.ts"] },
  js.configs.recommended,
  ...ts.configs.strict,
  ...svelte.configs.recommended,
  {
    languageOptions: { globals: { ...globals.browser, ...globals.node } },
    rules: {
      // The compiler does both better.
      "no-undef": "off",
      "@typescript-eslint/no-unused-vars": "off",
      // svelte-check says which of these comments are needed; this rule does not see all that they silence.
      "svelte/no-unused-svelte-ignore": "off",
      // A blank between inline elements is written so by the formatter.
      "svelte/no-useless-mustaches": "off",
      // Sets and maps of the state are never changed, but replaced.
      "svelte/prefer-svelte-reactivity": "off",
    },
  },
  { files: ["**/*.svelte", "**/*.svelte.ts"], languageOptions: { parserOptions: { parser: ts.parser } } },
  {
    files: ["src/**"],
    rules: {
      // Data of others is text, never markup.
      "svelte/no-at-html-tags": "error",
      "no-restricted-properties": [
        "error",
        { property: "innerHTML", message: "data is text, never markup" },
        { property: "outerHTML", message: "data is text, never markup" },
        { property: "insertAdjacentHTML", message: "data is text, never markup" },
      ],
      "no-eval": "error",
      "no-console": "error",
    },
  },
);
