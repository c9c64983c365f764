// Light or dark: the system's wish until someone presses the toggle. A classic script, so that it runs before the first paint.
{
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const systemTheme = () => (system.matches ? "dark" : "light");

  const kept = localStorage.getItem("theme");
  if (kept === "dark" || kept === "light") root.dataset.theme = kept;

  document.addEventListener("click", (event) => {
    if (!event.target.closest("#theme")) return;
    const next = (root.dataset.theme ?? systemTheme()) === "dark" ? "light" : "dark";
    if (next === systemTheme()) {
      delete root.dataset.theme;
      localStorage.removeItem("theme");
    } else {
      root.dataset.theme = next;
      localStorage.setItem("theme", next);
    }
  });
}
