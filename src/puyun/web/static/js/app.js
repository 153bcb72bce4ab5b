// Everything here makes pages quicker, nothing here makes them work: they read and submit without it.
import { makeCopier } from "./copy.js";
import { followFigures } from "./figures.js";
import { followPrices } from "./live.js";
import { play } from "./playground.js";
import { showSecret } from "./secret.js";
import { followStart } from "./start.js";
import { makeTabs } from "./tabs.js";
import { watchThemeSwitch } from "./theme.js";

watchThemeSwitch();
document.querySelectorAll("[data-tabs]").forEach(makeTabs);
document.querySelectorAll("[data-secret]").forEach(showSecret);
if (document.getElementById("prices")) followPrices();
for (const box of ["limits", "billing"]) if (document.getElementById(box)) followFigures(box);
if (document.getElementById("first-call")) followStart();
if (document.getElementById("playground")) play();
document.querySelectorAll("[data-copy-from]").forEach(makeCopier);

document.addEventListener("keydown", (event) => {
  const typing = event.target instanceof Element && event.target.closest("input, select, textarea, [contenteditable]");
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const field = document.querySelector(`[data-shortcut="${CSS.escape(event.key)}"]`);
  if (field) {
    event.preventDefault();
    field.focus();
  }
});
