// Keeps an open Start page true: when the server tells of another state than the page shows, that part is fetched again.
import { ENOUGH, follow } from "./stream.js";

export function followStart() {
  const box = () => document.getElementById("first-call");
  if ("done" in box().dataset) return;
  follow(() => box().dataset.stream, {
    start: ({ shape, done }) => {
      if (shape !== box().dataset.shape) document.body.dispatchEvent(new CustomEvent("start"));
      return done ? ENOUGH : undefined;
    },
    gone: () => location.reload(),
  });
}
