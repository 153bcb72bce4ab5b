// A button that copies an element's text and says so on `label`. Where the page may not write to the clipboard (plain HTTP
// from another machine) the text is selected instead, ready for the keyboard.
export function copies(button, label, copied, source) {
  const usual = label.textContent;
  button.addEventListener("click", async () => {
    if (!navigator.clipboard) return getSelection().selectAllChildren(source());
    await navigator.clipboard.writeText(source().textContent);
    label.textContent = copied;
    setTimeout(() => (label.textContent = usual), 1500);
  });
}
