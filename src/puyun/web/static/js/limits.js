// Keeps an open Limits page true: figures are written in place; when anything else changes, the table is fetched again.
import { follow } from "./stream.js";

export function followLimits() {
  const known = new Map();
  const box = () => document.getElementById("limits");
  const away = (hidden) => (document.getElementById("away").hidden = hidden);
  let address = box().dataset.stream;

  const write = () => {
    for (const line of box().querySelectorAll("[data-line]")) {
      for (const [name, value] of Object.entries(known.get(line.dataset.line) ?? {})) {
        const cell = line.querySelector(`[data-figure="${name}"]`);
        if (cell instanceof HTMLMeterElement) cell.value = value;
        else if (cell && cell.textContent !== value) cell.textContent = value;
      }
    }
  };

  const connect = follow(() => address, {
    limits: ({ shape, figures }) => {
      away(true);
      for (const [line, figure] of Object.entries(figures)) known.set(line, figure);
      if (shape !== box().dataset.shape) document.body.dispatchEvent(new CustomEvent("limits"));
      else write();
    },
    away: () => away(false),
    gone: () => location.reload(),
  });

  document.body.addEventListener("htmx:after:swap", () => {
    if (box().dataset.stream === address) return write();
    // Another tier, key or search: what is known is of other lines.
    address = box().dataset.stream;
    known.clear();
    connect();
  });
}
