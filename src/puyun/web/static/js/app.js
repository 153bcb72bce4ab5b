// Everything here makes pages quicker, nothing here makes them work: they read and submit without it.
import { makeCopier } from "./copy.js";
import { followLimits } from "./limits.js";
import { followPrices } from "./live.js";
import { followStart } from "./start.js";
import { makeTabs } from "./tabs.js";
import { watchThemeSwitch } from "./theme.js";

watchThemeSwitch();
document.querySelectorAll("[data-tabs]").forEach(makeTabs);
if (document.getElementById("prices")) followPrices();
if (document.getElementById("limits")) followLimits();
if (document.getElementById("first-call")) followStart();
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
