// Keeps the figures of an open page true: they are written in place; when anything else changes, their box is fetched
// again. `name` is the box's id, the event of its stream, and the event of the body that makes it fetch itself.
import { follow } from "./stream.js";

export function followFigures(name) {
  const known = new Map();
  const box = () => document.getElementById(name);
  const away = (hidden) => (document.getElementById("away").hidden = hidden);
  let address = box().dataset.stream;

  const write = () => {
    for (const line of box().querySelectorAll("[data-line]")) {
      for (const [figure, value] of Object.entries(known.get(line.dataset.line) ?? {})) {
        const cell = line.querySelector(`[data-figure="${figure}"]`);
        if (cell instanceof HTMLMeterElement) cell.value = value;
        else if (cell && cell.textContent !== value) cell.textContent = value;
      }
    }
  };

  const connect = follow(() => address, {
    [name]: ({ shape, figures }) => {
      away(true);
      for (const [line, figure] of Object.entries(figures)) known.set(line, figure);
      if (shape !== box().dataset.shape) document.body.dispatchEvent(new CustomEvent(name));
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
