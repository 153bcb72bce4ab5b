// A button that copies the text of the element it names. Where the clipboard may not be written, the text is selected.
const SAID_FOR = 1_500;

export function makeCopier(button) {
  const source = document.getElementById(button.dataset.copyFrom);
  const words = button.querySelector("span");
  const before = words.textContent;
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(source.textContent);
    } catch {
      getSelection().selectAllChildren(source);
      return;
    }
    words.textContent = button.dataset.copied;
    setTimeout(() => (words.textContent = before), SAID_FOR);
  });
}
