// The keys that every page has: where one can go, light or dark, help.

const root = document.documentElement;
const base = root.dataset.base;

// `themed` is called when the theme has changed, for what is not drawn by style sheets.
export function listenToKeys(themed) {
  const themeButton = document.getElementById("theme");
  const help = document.getElementById("help");
  const helpButton = document.getElementById("help-button");
  themeButton.hidden = helpButton.hidden = false;

  function switchTheme() {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    try { localStorage.setItem("opswatch-theme", root.dataset.theme); } catch { /* then only for this page */ }
    themed();
  }
  themeButton.addEventListener("click", switchTheme);
  helpButton.addEventListener("click", () => help.showModal());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", themed);

  const go = (path) => () => location.assign(`${base}${path}`);
  const keys = { o: go("/"), a: go("/alerts"), h: go("/host"), r: go("/reports"), s: go("/status"), t: switchTheme, "?": () => help.showModal() };
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, textarea, select") || help.open) return;
    keys[event.key]?.();
  });
}
