// Who am I, and the key: asked for, kept, forgotten.
import { html, useObservable, useState } from "./lib.js";
import { title, words } from "./names.js";
import { credential, forgetCredential, isRemembered, keepCredential } from "./preferences.js";
import { Ago, Button, Dialog, Icon } from "./ui.js";
import { me } from "./viewer.js";

/** The page that asks for a key; `error` says why it is needed. */
export function Locked({ error, onKey }) {
  const [text, setText] = useState("");
  const [remember, setRemember] = useState(false);
  const hadKey = credential() !== null;
  const isExpired = /expired/i.test(error.message);
  const title = !hadKey ? "A key is needed" : isExpired ? "The token has expired" : "The key is not accepted";
  const submit = (event) => {
    event.preventDefault();
    const key = text.trim().replace(/^Bearer\s+/i, "");
    if (!key) return;
    keepCredential(key, remember);
    onKey();
  };
  return html`<main class="gate" id="main">
    <form class="gate-box" onSubmit=${submit}>
      <span class="empty-icon"><${Icon} name=${hadKey ? "lock" : "key"} size=${22} /></span>
      <h1>${title}</h1>
      <p>${error.message}</p>
      <label class="field">
        <span>API key or access token</span>
        <input
          type="password"
          name="key"
          value=${text}
          autocomplete="off"
          spellcheck="false"
          autofocus
          required
          onInput=${(event) => setText(event.target.value)}
        />
      </label>
      <label class="check">
        <input type="checkbox" checked=${remember} onChange=${(event) => setRemember(event.target.checked)} />
        <span>Keep it on this device<span class="muted"> – otherwise until this tab is closed</span></span>
      </label>
      <button type="submit" class="button primary">Continue</button>
      ${error.requestId && html`<p class="muted small">Request <code>${error.requestId}</code></p>`}
    </form>
  </main>`;
}

/** The caller: name, roles and sources, and the key that the browser keeps. */
export function AccountDialog({ onClose, onForget }) {
  const { viewer, sources } = useObservable(me);
  const isOpen = viewer.method === "NONE";
  const methods = { NONE: "no credential", API_KEYS: "API key", JWT: "access token" };
  return html`<${Dialog} title="Who am I" onClose=${onClose} wide>
    <dl class="facts">
      <div><dt>Name</dt><dd>${viewer.name}</dd></div>
      <div><dt>Known by</dt><dd>${methods[viewer.method] ?? words(viewer.method)}</dd></div>
      ${viewer.grants.map(
        ({ role, sources: names }) => html`<div>
          <dt>Role</dt>
          <dd><strong>${words(role)}</strong> for ${names ? names.join(", ") : "all sources"}</dd>
        </div>`,
      )}
      ${!isOpen && html`<div><dt>Key</dt><dd>kept ${isRemembered() ? "on this device" : "until this tab is closed"}</dd></div>`}
    </dl>
    ${isOpen && html`<p class="note"><${Icon} name="warning" />This gateway asks for no credential: whoever reaches it may do everything.</p>`}
    <h3>Sources</h3>
    <ul class="source-list">
      ${sources.map(
        (source) => html`<li key=${source.name}>
          <${Health} health=${source.health} />
          <strong>${source.name}</strong> <span class="muted">${title(source.provider)}</span>
          <span class="space"></span>
          ${source.health.status === "DOWN"
            ? html`<span class="muted">failed <${Ago} time=${source.health.lastFailureAt} /></span>`
            : html`<span class="muted">${["RETRY", "DELETE"].filter((name) => source.capabilities.includes(name)).map(words).join(", ") || "Read only"}</span>`}
        </li>`,
      )}
    </ul>
    ${!isOpen &&
    html`<footer class="row-of-buttons">
      <${Button}
        icon="key"
        onClick=${() => {
          forgetCredential();
          onForget();
        }}
        >Forget the key<//
      >
    </footer>`}
  <//>`;
}

/** Whether a source responds, as a shape, a colour and a word. */
export function Health({ health, bare = true }) {
  const { icon, tone, text } =
    health.breaker !== "CLOSED"
      ? { icon: "slash", tone: "bad", text: "Calls are paused" }
      : {
          UP: { icon: "check", tone: "good", text: "Responds" },
          DOWN: { icon: "cross", tone: "bad", text: "Fails" },
          UNKNOWN: { icon: "question", tone: "calm", text: "Not called yet" },
        }[health.status];
  return html`<span class=${`status ${tone}`} title=${text}><${Icon} name=${icon} /><span class=${bare ? "hidden" : ""}>${text}</span></span>`;
}
