// The shell: which screen is shown, who the caller is, and what is the same everywhere.
import { AccountDialog, Locked } from "./account.js";
import { whenLocked } from "./client.js";
import { Deliveries } from "./deliveries.js";
import { HelpDialog } from "./help.js";
import { Journal } from "./journal.js";
import { useKeys } from "./keys.js";
import { html, render, useEffect, useObservable, useState } from "./lib.js";
import { words } from "./names.js";
import { Overview } from "./overview.js";
import { zone } from "./preferences.js";
import { address, follow, go, route, screenOf } from "./route.js";
import { zoneName } from "./time.js";
import { Button, Empty, Messages } from "./ui.js";
import { highestRole, loadMe, mayAct, me } from "./viewer.js";

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
  <${Empty}
    icon="warning"
    tone="bad"
    title=${TITLES[error.kind] ?? "The console could not start"}
    actions=${html`<${Button} kind="primary" icon="refresh" onClick=${error.kind === "outdated" ? () => location.reload() : again}>Try again<//>`}
  >
    <p>${error.message}</p>
    ${error.requestId && html`<p class="muted">Request <code>${error.requestId}</code></p>`}
  <//>
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
      <a class="brand" href="?" onClick=${follow(new URLSearchParams())}>
        <${Logo} /><span>Webhook logs</span>
      </a>
      <nav aria-label="Screens">
        ${names.map((name) => {
          const next = new URLSearchParams({ view: name });
          return html`<a key=${name} href=${address(next)} aria-current=${name === screen ? "page" : undefined} onClick=${follow(next)}
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

const Logo = () => html`<svg class="logo" viewBox="0 0 32 32" width="22" height="22" aria-hidden="true">
  <rect width="32" height="32" rx="8" />
  <path d="M8 11h9M8 16h6M8 21h9" opacity=".72" />
  <path d="m19 17 3.2 3.2L27 13.5" />
</svg>`;

document.getElementById("console").replaceChildren();
render(html`<${App} />`, document.getElementById("console"));
