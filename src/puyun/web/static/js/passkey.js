// A form whose answer a passkey gives: the device is asked when the form is sent, and the form goes on with what it said.
const acts = {
  create: (options) => navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) }),
  get: (options) => navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) }),
};

function ready(form) {
  const answer = form.elements.namedItem("answer");
  const say = (name) => form.querySelectorAll("[data-says]").forEach((words) => (words.hidden = words.dataset.says !== name));
  if (!window.PublicKeyCredential?.parseCreationOptionsFromJSON) return say("unable");
  form.querySelector("button").disabled = false;
  form.addEventListener("submit", async (event) => {
    if (answer.value) return;
    event.preventDefault();
    say("asking");
    try {
      const given = await acts[form.dataset.passkey](JSON.parse(form.dataset.options));
      answer.value = JSON.stringify(given.toJSON());
    } catch {
      return say("refused");
    }
    form.requestSubmit();
  });
}

addEventListener("pageshow", () => document.querySelectorAll("[data-passkey] [name=answer]").forEach((field) => (field.value = "")));
document.querySelectorAll("[data-passkey]").forEach(ready);
