// Keeps what is ticked for a comparison when the price list is fetched again, and stops at as many as fit beside each
// other. Without it the form still works: the page of the comparison says what it left out.
const ticked = new Set();
const boxes = () => [...document.querySelectorAll("#prices .pick")];

function show() {
  const most = Number(document.getElementById("compare")?.dataset.most);
  for (const box of boxes()) {
    box.checked = ticked.has(box.value);
    box.disabled = !box.checked && ticked.size >= most;
  }
}

function keep(box) {
  if (box.checked) ticked.add(box.value);
  else ticked.delete(box.value);
}

document.addEventListener("change", (event) => {
  if (!(event.target instanceof Element && event.target.matches("#prices .pick"))) return;
  keep(event.target);
  show();
});
document.body.addEventListener("htmx:after:swap", () => {
  const here = new Set(boxes().map((box) => box.value));
  for (const name of ticked) if (!here.has(name)) ticked.delete(name);
  show();
});
addEventListener("pageshow", () => {
  boxes().forEach(keep);
  show();
});
