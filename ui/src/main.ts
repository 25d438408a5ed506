import { mount } from "svelte";
import "./app.css";
import App from "./App.svelte";
import { app } from "./app.svelte.ts";
import { codeIn, signIn } from "./conn/signin.ts";
import { restoreTheme } from "./theme.ts";

restoreTheme();

// The code is taken out of the address before anything else can see it.
const fragment = location.hash;
const trade = signIn(fragment, {
  storage: sessionStorage,
  fetch: (path, body) =>
    fetch(path, {
      method: "POST",
      body,
      headers: { "content-type": "application/json" },
      credentials: "same-origin",
    }),
});
if (fragment.startsWith("#code=")) history.replaceState(null, "", "#/");

// A link that is followed in a tab that shows the dashboard already changes the fragment alone.
addEventListener("hashchange", () => {
  if (codeIn(location.hash) !== null) location.reload();
});

const outcome = await trade;
if (outcome.is === "refused") app.signInTrouble = outcome.why;

const place = document.getElementById("app");
if (place !== null) mount(App, { target: place });
app.start();
