// Keeps an open price list true: the server says when the prices changed, the list is fetched again, and amounts that
// differ are marked for a moment. When the line is down, the stamp says how old the prices are.
import { follow } from "./stream.js";

const MARKED_FOR = 4_000;

export function followPrices() {
  let before = new Map();

  follow(() => "/api/prices/stream", {
    prices: ({ version }) => {
      if (version !== document.getElementById("prices").dataset.version) {
        document.body.dispatchEvent(new CustomEvent("prices"));
      }
    },
    tick: () => {},
  });
  document.body.addEventListener("htmx:before:swap", () => (before = amounts()));
  document.body.addEventListener("htmx:after:swap", () => mark(before));
}

function amounts() {
  return new Map([...document.querySelectorAll("#prices [data-meter]")].map((cell) => [keyOf(cell), cell.value]));
}

function mark(before) {
  for (const cell of document.querySelectorAll("#prices [data-meter]")) {
    const old = before.get(keyOf(cell));
    if (old !== undefined && old !== cell.value) {
      cell.classList.add("changed");
      setTimeout(() => cell.classList.remove("changed"), MARKED_FOR);
    }
  }
}

function keyOf(cell) {
  const row = cell.closest("[data-model]");
  return `${row.dataset.model} ${row.dataset.tier} ${cell.dataset.meter}`;
}
