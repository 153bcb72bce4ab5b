// The playground: the page speaks to the API itself, with a key that it asks for at the first call and keeps in memory.
const TURNS_MAX = 100;
const KEY_PAUSE = 2_000; // by then a new key is known to every server

export function play() {
  const root = document.getElementById("playground");
  const at = (id) => document.getElementById(id);
  const words = root.dataset;
  const money = new Intl.NumberFormat(words.language, { style: "currency", currency: words.currency, minimumFractionDigits: 2, maximumFractionDigits: 9 });
  const count = new Intl.NumberFormat(words.language);
  const messages = [];
  let key; // a promise of it, from when a message is begun
  let running;
  let began; // the last request, not the wait for a key

  const settings = () => Object.fromEntries(new FormData(at("settings")));

  const request = (said) => {
    const { model, tier, system, temperature, tokens } = settings();
    const body = { model, service_tier: tier, messages: system.trim() ? [{ role: "system", content: system }, ...said] : said };
    if (temperature !== "") body.temperature = Number(temperature);
    if (tokens !== "") body.max_completion_tokens = Number(tokens);
    return body;
  };

  const showCode = () => {
    const said = messages.length ? messages : [{ role: "user", content: at("message").value || "Hello" }];
    const body = JSON.stringify(request(said), null, 2).replaceAll("'", "'\\''");
    at("as-code").textContent = `curl ${location.origin}/v1/chat/completions \\\n  -H "Authorization: Bearer $PUYUN_API_KEY" \\\n  -H "Content-Type: application/json" \\\n  -d '${body}'`;
  };

  const element = (name, kind, text = "") => Object.assign(document.createElement(name), { className: kind, textContent: text });

  const turn = (who, text) => {
    const line = element("li", "turn");
    const body = element("div", "text", text);
    line.append(element("span", "who", who), body);
    at("turns").append(line);
    return { line, body };
  };

  const fault = (line, text) => {
    line.append(element("p", "fault", text));
    at("told").textContent = text;
  };

  const bill = (line, id, usage, first) => {
    const parts = element("p", "bill");
    if (usage) {
      parts.append(element("span", "", `${words.saidCost} ${money.format(usage.cost)}`));
      parts.append(element("span", "", `${words.saidTokens} ${count.format(usage.prompt_tokens)} + ${count.format(usage.completion_tokens)}`));
    }
    if (first !== undefined) parts.append(element("span", "", `${words.saidFirst} ${count.format(Math.round(first))} ms`));
    if (id) {
      const link = element("a", "", words.saidReceipt);
      link.href = `${words.receipt}${id}${words.query}`;
      parts.append(link);
    }
    line.append(parts);
    if (usage) at("told").textContent = parts.textContent;
  };

  const newKey = async () => {
    const form = new URLSearchParams({ csrf: settings().csrf });
    const answer = await fetch(words.key, { method: "POST", body: form, headers: { accept: "application/json" } });
    if (answer.redirected) return location.reload(); // the session has ended
    if (!answer.ok) throw new Error(await reason(answer));
    const made = (await answer.json()).key;
    await new Promise((resolve) => setTimeout(resolve, KEY_PAUSE));
    return made;
  };

  const theKey = () => {
    key ??= newKey();
    key.catch(() => (key = undefined)); // the next call asks again
    return key;
  };

  const reason = async (answer) => {
    const text = await answer.text();
    try {
      const { error } = JSON.parse(text);
      return `${error.message} (${answer.status} ${error.code})`;
    } catch {
      return `${answer.status} ${answer.statusText}`;
    }
  };

  // A key that has ended is refused with 401: then another one is asked for, once.
  const call = async (body, signal) => {
    for (const last of [false, true]) {
      const bearer = await theKey();
      began = performance.now();
      const answer = await fetch("/v1/chat/completions", {
        method: "POST",
        headers: { authorization: `Bearer ${bearer}`, "content-type": "application/json" },
        body: JSON.stringify({ ...body, stream: true, stream_options: { include_usage: true } }),
        signal,
      });
      if (answer.status !== 401 || last) return answer;
      key = undefined;
    }
  };

  const events = async function* (answer) {
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      for (const line of lines) if (line.startsWith("data: ") && line !== "data: [DONE]") yield JSON.parse(line.slice(6));
    }
  };

  const busy = (value) => {
    at("send").disabled = value;
    at("stop").hidden = !value;
    at("clear").hidden = value || messages.length === 0;
  };

  const answerTo = async () => {
    const body = request([...messages]);
    const { line, body: text } = turn(body.model, "");
    let said = "", usage, first, id;
    text.setAttribute("aria-busy", "true");
    running = new AbortController();
    busy(true);
    try {
      const answer = await call(body, running.signal);
      id = answer.headers.get("x-request-id");
      if (!answer.ok) throw new Error(await reason(answer));
      for await (const { choices, usage: reported, error } of events(answer)) {
        if (error) throw new Error(`${error.message} (${error.code})`);
        const more = choices?.[0]?.delta?.content;
        if (more) {
          first ??= performance.now() - began;
          said += more;
          text.textContent = said;
        }
        usage = reported ?? usage;
      }
      if (!said) text.textContent = words.saidEmpty;
    } catch (error) {
      if (error.name === "AbortError") fault(line, words.saidStopped);
      else fault(line, error instanceof TypeError ? words.saidLost : error.message);
    }
    running = undefined;
    text.removeAttribute("aria-busy");
    bill(line, id, usage, first);
    // A question that got no answer is not a part of what is sent next.
    if (said) messages.push({ role: "assistant", content: said });
    else messages.pop();
    busy(false);
    showCode();
  };

  at("say").addEventListener("submit", (event) => {
    event.preventDefault();
    const content = at("message").value.trim();
    if (running || !content || !at("settings").reportValidity()) return;
    if (messages.length >= TURNS_MAX) {
      at("told").textContent = words.saidLong;
      return;
    }
    messages.push({ role: "user", content });
    turn(words.saidYou, content);
    at("message").value = "";
    answerTo();
  });
  at("message").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    at("say").requestSubmit();
  });
  at("stop").addEventListener("click", () => running?.abort());
  at("clear").addEventListener("click", () => {
    messages.length = 0;
    at("turns").replaceChildren();
    busy(false);
    showCode();
    at("message").focus();
  });
  at("settings").addEventListener("submit", (event) => event.preventDefault());
  at("settings").addEventListener("input", showCode);
  at("message").addEventListener("input", showCode);
  at("message").addEventListener("input", () => theKey().catch(() => {}), { once: true });
  showCode();
}
