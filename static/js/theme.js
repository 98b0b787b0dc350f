// Loaded before the page is drawn, so that it never flashes in the wrong colours.
(() => {
  "use strict";
  const root = document.documentElement;
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const stored = () => {
    // The administration keeps its own word for "as the system is" under the same name.
    try { return ["light", "dark"].find((name) => name === localStorage.getItem("theme")); } catch { return undefined; }
  };
  const show = () => {
    root.dataset.bsTheme = stored() || (system.matches ? "dark" : "light");
  };
  window.toggleTheme = () => {
    const next = root.dataset.bsTheme === "dark" ? "light" : "dark";
    try { localStorage.setItem("theme", next); } catch { /* private window: this page only */ }
    root.dataset.bsTheme = next;
  };
  system.addEventListener("change", show);
  root.classList.add("js");
  show();
})();
