// The shell: which screen is shown, who the caller is, and what is the same everywhere.
import { ago, changed, clock, credential, dayName, full, go, highestRole, html, isRemembered, keepCredential, loadMe, mayAct, me, parse, read, render, route, screenOf, shortcuts, to, update, useEffect, useObservable, useRef, useState, whenLocked, words, zone, zoneName } from "./core.js";
import { Deliveries } from "./list.js";
import { Overview } from "./overview.js";
import { Broken, Button, Dialog, Empty, Icon, KEY_MAP, Messages, useKeys } from "./parts.js";

const SCREENS = {
  overview: { name: "Overview", component: Overview },
  deliveries: { name: "Deliveries", component: Deliveries },
  journal: { name: "Journal", component: Journal },
};

function App() {
  const [state, setState] = useState({ kind: "starting" });
  const begin = async () => {
    setState({ kind: "starting" });
    try {
      await loadMe();
      setState({ kind: "ready" });
    } catch (error) {
      setState({ kind: error.kind === "locked" ? "locked" : "failed", error });
    }
  };
  useEffect(() => {
    whenLocked((error) => setState({ kind: "locked", error }));
    begin();
  }, []);
  if (state.kind === "starting") return html`<p class="loading" role="status">Loading the console…</p>`;
  if (state.kind === "locked") return html`<${Locked} error=${state.error} onKey=${begin} />`;
  if (state.kind === "failed") return html`<${Failed} error=${state.error} again=${begin} />`;
  return html`<${Shell} restart=${begin} />`;
}

const TITLES = {
  outdated: "The gateway was updated",
  throttled: "Too many requests",
  unreachable: "The gateway can't be reached",
};

const Failed = ({ error, again }) => html`<main class="gate" id="main">
  <${Broken}
    title=${TITLES[error.kind] ?? "The console could not start"}
    error=${error}
    again=${error.kind === "outdated" ? () => location.reload() : again}
  />
</main>`;

function Shell({ restart }) {
  const parameters = useObservable(route);
  const { viewer } = useObservable(me);
  const inZone = useObservable(zone);
  const [dialog, setDialog] = useState(null);
  const screen = screenOf(parameters);
  const names = Object.keys(SCREENS).filter((name) => name !== "journal" || mayAct("ADMIN"));
  const shown = SCREENS[screen];
  const show = (name) => () => go(new URLSearchParams({ view: name }));
  const switchZone = () => (zone.value = inZone === "utc" ? "local" : "utc");
  useKeys({
    ...Object.fromEntries(names.map((name) => [`g ${name[0]}`, show(name)])),
    z: switchZone,
    "?": () => setDialog("help"),
  });
  useEffect(() => {
    document.title = `${shown.name} – Webhook logs`;
  }, [screen]);
  return html`<a
      class="skip"
      href="#main"
      onClick=${(event) => {
        event.preventDefault();
        document.getElementById("main").focus();
      }}
      >Skip to the content</a
    >
    <header class="bar">
      <a class="brand" aria-label="Webhook logs" ...${to(new URLSearchParams())}>
        <img src=${new URL("icon.svg", import.meta.url)} width="22" height="22" alt="" /><span>Webhook logs</span>
      </a>
      <nav aria-label="Screens">
        ${names.map((name) => {
          const next = new URLSearchParams({ view: name });
          return html`<a key=${name} ...${to(next)} aria-current=${name === screen ? "page" : undefined}
            >${SCREENS[name].name}</a
          >`;
        })}
      </nav>
      <span class="space"></span>
      <${Button} kind="plain" class="zone" title="Switch between local time and UTC (z)" onClick=${switchZone}>
        ${zoneName()}
      <//>
      <${Button} kind="plain" icon="keyboard" label="Keyboard (?)" onClick=${() => setDialog("help")} />
      <${Button} kind="plain" icon="user" class="who" title="Who am I" onClick=${() => setDialog("account")}>
        <span class="who-name">${viewer.method === "NONE" ? "Everyone" : viewer.name}</span>
        <span class="muted">${highestRole() && words(highestRole())}</span>
      <//>
    </header>
    <main id="main" tabindex="-1"><${shown.component} /></main>
    <${Messages} />
    ${dialog === "help" && html`<${HelpDialog} onClose=${() => setDialog(null)} />`}
    ${dialog === "account" && html`<${AccountDialog} onClose=${() => setDialog(null)} onForget=${restart} />`}`;
}

document.getElementById("console").replaceChildren();
render(html`<${App} />`, document.getElementById("console"));

// Who am I, and the key: asked for, kept, forgotten.

function Locked({ error, onKey }) {
  const [text, setText] = useState("");
  const [remember, setRemember] = useState(false);
  const input = useRef();
  useEffect(() => input.current.focus(), []);
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
      <p>${hadKey && !isExpired ? "Look for missing characters, or ask whoever runs the gateway for a new one." : error.message}</p>
      <label class="field">
        <span>API key or access token</span>
        <input
          type="password"
          name="key"
          value=${text}
          autocomplete="off"
          spellcheck=${false}
          ref=${input}
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

function AccountDialog({ onClose, onForget }) {
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
      <div><dt>Sources</dt><dd>${sources.map((source) => source.name).join(", ") || "none"}</dd></div>
      ${!isOpen && html`<div><dt>Key</dt><dd>kept ${isRemembered() ? "on this device" : "until this tab is closed"}</dd></div>`}
    </dl>
    ${isOpen && html`<p class="note"><${Icon} name="warning" />This gateway asks for no credential: whoever reaches it may do everything.</p>`}
    ${!isOpen &&
    html`<footer class="row-of-buttons">
      <${Button}
        icon="key"
        onClick=${() => {
          keepCredential(null, false);
          onForget();
        }}
        >Forget the key<//
      >
    </footer>`}
  <//>`;
}

// The journal: who retried and deleted what, for administrators.

const PAGE = 50;
const OUTCOMES = {
  PENDING: ["clock", "wait", "Under way"],
  SUCCEEDED: ["check", "good", "Done"],
  REJECTED: ["cross", "bad", "Refused"],
  FAILED: ["cross", "bad", "Not reached"],
  UNKNOWN: ["question", "wait", "Not known"],
};

function Journal() {
  const parameters = useObservable(route);
  useObservable(zone);
  const outcome = parameters.get("outcome");
  const [state, setState] = useState({ nodes: [], next: null, isReading: true, error: null });

  const load = async (after, nodes, signal) => {
    setState((old) => ({ ...old, nodes, isReading: true, error: null }));
    try {
      const page = await read("Journal", { first: PAGE, after, filter: { outcome } }, "actions", { signal });
      const next = page.pageInfo.hasNextPage ? page.pageInfo.endCursor : null;
      setState({ nodes: [...nodes, ...page.nodes], next, isReading: false, error: null });
    } catch (error) {
      if (!signal?.aborted) setState((old) => ({ ...old, isReading: false, error }));
    }
  };
  useEffect(() => {
    const abort = new AbortController();
    load(null, [], abort.signal);
    return () => abort.abort();
  }, [outcome]);

  const { nodes, next, isReading, error } = state;
  const choice = (value, label) => html`<option value=${value ?? ""} selected=${outcome === value}>${label}</option>`;
  return html`<section class="page">
    <header class="page-head">
      <h1>Journal</h1>
      <p class="muted">Every retry and deletion that was requested through this gateway.</p>
      <div class="row-of-buttons">
        <label>Outcome
          <select onChange=${(event) => update({ outcome: event.target.value || null })}>
            ${choice(null, "All")}
            ${Object.entries(OUTCOMES).map(([value, [, , label]]) => choice(value, label))}
          </select>
        </label>
        <${Button} icon="refresh" onClick=${() => load(null, [])}>Load again<//>
      </div>
    </header>
    ${error
      ? html`<${Broken}
          title=${error.code === "FORBIDDEN" ? "The journal is for administrators" : "The journal could not be loaded"}
          error=${error}
        />`
      : !nodes.length && !isReading
        ? html`<${Empty} icon="inbox" title=${outcome ? "Nothing matches" : "Nothing was done yet"}>
            <p>${outcome ? "No action has this outcome." : "A retry or a deletion appears here as soon as it is requested."}</p>
          <//>`
        : html`<div class="table-box" tabindex="0" role="region" aria-label="Actions">
            <table class="table">
              <thead>
                <tr>
                  <th scope="col">When</th><th scope="col">Action</th><th scope="col">Outcome</th>
                  <th scope="col">Source</th><th scope="col">Delivery</th><th scope="col">Caller</th><th scope="col">Message</th>
                </tr>
              </thead>
              <tbody>${nodes.map((action) => html`<${Action} key=${action.id} action=${action} />`)}</tbody>
            </table>
          </div>`}
    ${next && html`<p class="end"><${Button} busy=${isReading} onClick=${() => load(next, nodes)}>Load more<//></p>`}
  </section>`;
}

function Action({ action }) {
  const [icon, tone, label] = OUTCOMES[action.outcome];
  const at = parse(action.requestedAt);
  const log = changed(new URLSearchParams({ view: "deliveries" }), { log: action.logId });
  return html`<tr>
    <td title=${full(at)}>${dayName(at)}, ${clock(at)} <span class="muted">${ago(at)} ago</span></td>
    <td>${words(action.kind)}</td>
    <td><span class=${`status ${tone}`}><${Icon} name=${icon} />${label}</span></td>
    <td>${action.source}</td>
    <td><a ...${to(log)}><code>${action.upstreamId}</code></a></td>
    <td>${action.caller}</td>
    <td class="wide" dir="auto">${action.message ?? ""}${action.errorCode && html` <code>${action.errorCode}</code>`}</td>
  </tr>`;
}

// The keys and where they work.

function HelpDialog({ onClose }) {
  const isOn = useObservable(shortcuts);
  return html`<${Dialog} title="Keyboard" onClose=${onClose} wide>
    <div class="key-map">
      ${KEY_MAP.map(
        ([group, keys]) => html`<section key=${group}>
          <h3>${group}</h3>
          <dl>
            ${keys.map(
              ([key, text]) => html`<div>
                <dt>${key.split(" ").filter(Boolean).map((one) => html`<kbd>${one}</kbd>`)}</dt>
                <dd>${text}</dd>
              </div>`,
            )}
          </dl>
        </section>`,
      )}
    </div>
    <label class="check">
      <input type="checkbox" checked=${isOn} onChange=${(event) => (shortcuts.value = event.target.checked)} />
      <span>Single keys are shortcuts</span>
    </label>
  <//>`;
}
