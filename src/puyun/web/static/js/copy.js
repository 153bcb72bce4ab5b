// A button that copies an element's text and says so on `label`. Where the page may not write to the clipboard (plain HTTP
// from another machine) the text is selected instead, ready for the keyboard.
const SAID_FOR = 1_500;

export function copies(button, label, copied, source) {
  const usual = label.textContent;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(source().textContent);
    } catch {
      getSelection().selectAllChildren(source());
      return;
    }
    label.textContent = copied;
    setTimeout(() => (label.textContent = usual), SAID_FOR);
  });
}

// A button that names what it copies.
export function makeCopier(button) {
  button.hidden = false;
  copies(button, button.querySelector("span"), button.dataset.copied, () => document.getElementById(button.dataset.copyFrom));
}
