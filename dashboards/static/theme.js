// Before the first paint: the theme that was chosen here, else the system's.
(() => {
  try {
    const chosen = localStorage.getItem("opswatch-theme");
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  } catch { /* storage may be closed to us; the system's theme then holds */ }
})();
