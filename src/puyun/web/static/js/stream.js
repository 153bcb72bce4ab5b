// Keeps one stream of server-sent events open and the stamp of the page with it: when something was heard last, and
// whether that is too long ago. A page that nobody sees listens to nothing.
const STALE_AFTER = 60_000;
const RETRY_AFTER = 5_000;

export const ENOUGH = Symbol("enough");

// `address()` is asked at each connection; `handlers` take the data of an event by its name, and one that returns ENOUGH ends
// the stream. Returns what connects anew.
export function follow(address, handlers) {
  let source;
  let waiting;
  let heard = Date.now();
  let over = false;

  const connect = () => {
    clearTimeout(waiting);
    source?.close();
    if (document.hidden || over) return;
    const opened = (source = new EventSource(address()));
    for (const [name, handle] of Object.entries(handlers)) {
      opened.addEventListener(name, (event) => {
        const data = JSON.parse(event.data);
        if (data.now) alive(data.now);
        if (handle(data) !== ENOUGH) return;
        over = true;
        opened.close();
      });
    }
    opened.addEventListener("error", () => {
      document.body.classList.remove("is-live");
      // A browser reconnects by itself unless the server refused; then it is up to us.
      if (opened.readyState === EventSource.CLOSED && opened === source) waiting = setTimeout(connect, RETRY_AFTER);
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

  document.addEventListener("visibilitychange", connect);
  setInterval(() => document.body.classList.toggle("is-stale", !over && Date.now() - heard > STALE_AFTER), 5_000);
  connect();
  return connect;
}
