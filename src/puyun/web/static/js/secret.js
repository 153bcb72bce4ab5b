// The page with a new secret: a button to copy it, and a reload that leads to the list instead of sending the form again.
import { copies } from "./copy.js";

export function showSecret(box) {
  history.replaceState(null, "", box.dataset.leave);
  const button = box.querySelector("[data-copies]");
  copies(button, button.querySelector("span"), button.dataset.copied, () => document.getElementById(button.dataset.copies));
}
