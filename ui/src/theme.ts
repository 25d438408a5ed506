// Dark or light: what the system says, unless a person has chosen.

const KEY = "supervisor.theme";
const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

export function theme(): Theme {
  const kept = localStorage.getItem(KEY);
  return THEMES.find((one) => one === kept) ?? "system";
}

export function restoreTheme(): void {
  show(theme());
}

/** Goes on to the next theme. */
export function nextTheme(): Theme {
  const next = THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length] ?? "system";
  localStorage.setItem(KEY, next);
  show(next);
  return next;
}

function show(chosen: Theme): void {
  document.documentElement.classList.toggle("light", chosen === "light");
  document.documentElement.classList.toggle("dark", chosen === "dark");
}
