// The appearance changes at once; the cookie makes the server send it that way next time.
const YEAR = 365 * 24 * 3600;

export function watchThemeSwitch() {
  document.addEventListener("click", (event) => {
    const chosen = event.target instanceof Element && event.target.closest("[data-theme-switch]");
    if (!chosen || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const theme = chosen.dataset.themeSwitch;
    document.documentElement.dataset.theme = theme;
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `puyun-theme=${theme}; Path=/; Max-Age=${YEAR}; SameSite=Lax${secure}`;
    for (const link of document.querySelectorAll("[data-theme-switch]")) {
      if (link === chosen) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  });
}
