"use strict";
/* Passkeys, and looking again by itself. Everything else works without. */
(() => {
  const words = document.body.dataset;

  const bytes = (text) => Uint8Array.from(
    atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

  class Refused extends Error {}

  async function post(path, body) {
    let answer, said = null;
    try {
      answer = await fetch(path, {
        method: "POST", redirect: "error", cache: "no-store",
        headers: { "Content-Type": "application/json", "X-Form-Token": words.formToken },
        body: JSON.stringify(body),
      });
      said = await answer.json();
    } catch {
      throw new Refused(words.failed);
    }
    if (!answer.ok) throw new Refused(said.sentence || words.failed);
    return said;
  }

  const named = (rows) => (rows || []).map((row) => ({ ...row, id: bytes(row.id) }));

  async function credential(kind, asked) {
    if (!window.PublicKeyCredential) throw new Refused(words.unable);
    const publicKey = { ...asked, challenge: bytes(asked.challenge) };
    let made;
    try {
      if (kind === "create") {
        publicKey.user = { ...asked.user, id: bytes(asked.user.id) };
        publicKey.excludeCredentials = named(asked.excludeCredentials);
        made = await navigator.credentials.create({ publicKey });
      } else {
        publicKey.allowCredentials = named(asked.allowCredentials);
        made = await navigator.credentials.get({ publicKey });
      }
    } catch {
      throw new Refused(words.cancelled);
    }
    const from = made.response;
    const response = { clientDataJSON: text(from.clientDataJSON) };
    if (kind === "create") {
      response.attestationObject = text(from.attestationObject);
      response.transports = from.getTransports ? from.getTransports() : [];
    } else {
      response.authenticatorData = text(from.authenticatorData);
      response.signature = text(from.signature);
      if (from.userHandle) response.userHandle = text(from.userHandle);
    }
    return { id: made.id, rawId: text(made.rawId), type: made.type, clientExtensionResults: {}, response };
  }

  const setup = "setup" in document.getElementById("main").dataset ? { token: location.hash.slice(1) } : {};
  if (setup.token) {
    history.replaceState(null, "", location.pathname + location.search);
    for (const link of document.querySelectorAll(".languages a")) link.hash = setup.token;
  }

  /* Heard at the document, because the list is replaced when it looks again. */
  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.matches("form.ceremony")) return;
    event.preventDefault();
    const button = form.querySelector("button"), status = form.querySelector(".said");
    if (button.disabled) return;
    button.disabled = true;
    status.className = "said";
    status.textContent = words.working;
    try {
      const begun = await post(form.dataset.begin, setup);
      if (begun.next) { location.assign(begun.next); return; }
      const response = await credential(form.dataset.ceremony, begun.options);
      const done = await post(begun.end || form.dataset.end, { ...setup, response, next: next() });
      status.textContent = "";
      if (done.next) location.assign(done.next); else show(form, done);
    } catch (refused) {
      status.className = "said bad";
      status.textContent = refused instanceof Refused ? refused.message : words.failed;
      button.disabled = false;
      button.focus();
    }
  });

  const next = () => document.getElementById("sign-in")?.dataset.next;

  function show(form, done) {
    form.hidden = true;
    const made = document.getElementById("made");
    made.hidden = false;
    document.getElementById("words").textContent = done.words;
    if (done.further) {
      document.getElementById("further").hidden = false;
      const link = document.getElementById("link");
      link.href = link.textContent = done.further;
    }
    document.getElementById("main").focus();
  }

  /* A link from an alarm comes from elsewhere, so the browser keeps the session's cookie back; asked from
     this page itself it does not. */
  if (next()) {
    fetch("/signed-in", { cache: "no-store" }).then((answer) => {
      if (answer.status === 204) location.replace(next());
    }, () => {});
  }

  /* The list looks again by itself; that counts as nothing the officer does. */
  let sound = null;
  const button = document.getElementById("sound");

  function ring() {
    if (!sound) return;
    for (const at of [0, 0.3, 0.6]) {
      const tone = sound.createOscillator(), loud = sound.createGain();
      tone.frequency.value = 880;
      loud.gain.value = 0.2;
      tone.connect(loud).connect(sound.destination);
      tone.start(sound.currentTime + at);
      tone.stop(sound.currentTime + at + 0.18);
    }
  }

  function listen(pressed) {
    pressed.hidden = false;
    pressed.setAttribute("aria-pressed", String(Boolean(sound)));
    pressed.addEventListener("click", () => {
      if (sound) { sound.close(); sound = null; } else { sound = new AudioContext(); ring(); }
      pressed.setAttribute("aria-pressed", String(Boolean(sound)));
    });
  }
  if (button && window.AudioContext) listen(button);

  /* The only text that becomes elements: our own page, parsed without running anything in it. */
  const page = { createHTML: (html) => html };
  const trusted = window.trustedTypes ? trustedTypes.createPolicy("duty", page) : page;

  const waiting = (main) => new Set([...main.querySelectorAll("[data-case]")].map((e) => e.dataset.case));

  async function look() {
    const main = document.getElementById("main");
    let answer;
    try {
      answer = await fetch(location.pathname, { cache: "no-store", headers: { "X-Look": "1" } });
    } catch {
      return;
    }
    if (answer.redirected) { location.assign(answer.url); return; }
    if (!answer.ok) return;
    const seen = new DOMParser().parseFromString(trusted.createHTML(await answer.text()), "text/html");
    const fresh = seen.getElementById("main"), known = waiting(main);
    /* Not under the hands of somebody who is signing. */
    if (main.querySelector("button:disabled")) return;
    const focused = document.activeElement?.id;
    main.replaceWith(fresh);
    document.title = seen.title;
    const again = fresh.querySelector("#sound");
    if (again && window.AudioContext) listen(again);
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
    if ([...waiting(fresh)].some((one) => !known.has(one))) ring();
  }
  const period = Number(document.getElementById("main").dataset.look || 0);
  if (period) setInterval(() => { if (!document.hidden || sound) look(); }, period * 1000);
})();
