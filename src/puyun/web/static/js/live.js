// Keeps an open price list true: the server says when the prices changed, the list is fetched again, and amounts that
// differ are marked for a moment. When the line is down, the stamp says how old the prices are.
const STALE_AFTER = 60_000;
const MARKED_FOR = 4_000;
const RETRY_AFTER = 5_000;

export function followPrices() {
  let heard = Date.now();
  let before = new Map();

  const connect = () => {
    const source = new EventSource("/api/prices/stream");
    source.addEventListener("prices", (event) => {
      const { version, now } = JSON.parse(event.data);
      alive(now);
      if (version !== document.getElementById("prices").dataset.version) {
        document.body.dispatchEvent(new CustomEvent("prices"));
      }
    });
    source.addEventListener("tick", (event) => alive(JSON.parse(event.data).now));
    source.addEventListener("error", () => {
      document.body.classList.remove("is-live");
      // A browser reconnects by itself unless the server refused; then it is up to us.
      if (source.readyState === EventSource.CLOSED) setTimeout(connect, RETRY_AFTER);
    });
  };

  const alive = (now) => {
    heard = Date.now();
    document.body.classList.add("is-live");
    document.body.classList.remove("is-stale");
    const stamp = document.getElementById("as-of");
    stamp.dateTime = now;
    stamp.textContent = `${now.slice(11, 19)} UTC`;
  };

  document.body.addEventListener("htmx:before:swap", () => (before = amounts()));
  document.body.addEventListener("htmx:after:swap", () => mark(before));
  setInterval(() => document.body.classList.toggle("is-stale", Date.now() - heard > STALE_AFTER), 5_000);
  connect();
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
