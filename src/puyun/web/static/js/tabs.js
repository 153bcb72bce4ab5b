// Turns sections into tabs (ARIA authoring practices: arrow keys move, one stop in the tab order) with a copy button.
import { copies } from "./copy.js";

export function makeTabs(box) {
  const panels = [...box.querySelectorAll(":scope > .tab")];
  const list = document.createElement("div");
  list.setAttribute("role", "tablist");
  list.setAttribute("aria-label", box.getAttribute("aria-label") ?? "");
  const tabs = panels.map((panel, place) => {
    const tab = document.createElement("button");
    tab.type = "button";
    tab.textContent = panel.dataset.title;
    tab.id = `${box.id}-tab-${place}`;
    panel.id ||= `${box.id}-panel-${place}`;
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", panel.id);
    panel.setAttribute("role", "tabpanel");
    panel.setAttribute("aria-labelledby", tab.id);
    list.append(tab);
    return tab;
  });

  const show = (chosen) => {
    tabs.forEach((tab, place) => {
      tab.setAttribute("aria-selected", String(place === chosen));
      tab.tabIndex = place === chosen ? 0 : -1;
      panels[place].hidden = place !== chosen;
    });
  };
  tabs.forEach((tab, place) => tab.addEventListener("click", () => show(place)));
  list.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = (tabs.indexOf(document.activeElement) + step + tabs.length) % tabs.length;
    show(next);
    tabs[next].focus();
  });

  const head = document.createElement("div");
  head.className = "tab-head";
  head.append(list, copyButton(box, () => panels.find((panel) => !panel.hidden)));
  box.prepend(head);
  box.classList.add("ready");
  show(0);
}

function copyButton(box, current) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = box.dataset.copy;
  copies(button, button, box.dataset.copied, () => current().querySelector("code"));
  return button;
}
