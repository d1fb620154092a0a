// The journal: who retried and deleted what, for administrators.
import { read } from "./client.js";
import { html, useEffect, useObservable, useState } from "./lib.js";
import { words } from "./names.js";
import { zone } from "./preferences.js";
import { address, changed, follow, route, update } from "./route.js";
import { ago, clock, dayName, full, parse } from "./time.js";
import { Button, Empty, Icon } from "./ui.js";

const PAGE = 50;
const OUTCOMES = {
  PENDING: ["clock", "wait", "Under way"],
  SUCCEEDED: ["check", "good", "Done"],
  REJECTED: ["cross", "bad", "Refused"],
  FAILED: ["cross", "bad", "Not reached"],
  UNKNOWN: ["question", "wait", "Not known"],
};

export function Journal() {
  const parameters = useObservable(route);
  useObservable(zone);
  const kind = parameters.get("kind");
  const outcome = parameters.get("outcome");
  const [state, setState] = useState({ nodes: [], next: null, isReading: true, error: null });

  const load = async (after, nodes, signal) => {
    setState((old) => ({ ...old, nodes, isReading: true, error: null }));
    try {
      const filter = { kind, outcome };
      const page = await read("Journal", { first: PAGE, after, filter }, "actions", { signal });
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
  }, [kind, outcome]);

  const { nodes, next, isReading, error } = state;
  const choice = (name, value, label) => html`<option value=${value ?? ""} selected=${parameters.get(name) === value}>${label}</option>`;
  return html`<section class="page">
    <header class="page-head">
      <h1>Journal</h1>
      <p class="muted">Every retry and deletion that was requested through this gateway.</p>
      <div class="row-of-buttons">
        <label class="select">Action
          <select onChange=${(event) => update({ kind: event.target.value || null })}>
            ${choice("kind", null, "All")}${choice("kind", "RETRY", "Retry")}${choice("kind", "DELETE", "Delete")}
          </select>
        </label>
        <label class="select">Outcome
          <select onChange=${(event) => update({ outcome: event.target.value || null })}>
            ${choice("outcome", null, "All")}
            ${Object.entries(OUTCOMES).map(([value, [, , label]]) => choice("outcome", value, label))}
          </select>
        </label>
        <${Button} icon="refresh" onClick=${() => load(null, [])}>Load again<//>
      </div>
    </header>
    ${error
      ? html`<${Empty}
          icon=${error.code === "FORBIDDEN" ? "lock" : "warning"}
          tone="bad"
          title=${error.code === "FORBIDDEN" ? "The journal is for administrators" : "The journal could not be loaded"}
        >
          <p>${error.message}</p>
        <//>`
      : !nodes.length && !isReading
        ? html`<${Empty} icon="inbox" title=${kind || outcome ? "Nothing matches" : "Nothing was done yet"}>
            <p>${kind || outcome ? "No action is of this kind." : "A retry or a deletion appears here as soon as it is requested."}</p>
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
    <td class="nowrap" title=${full(at)}>${dayName(at)}, ${clock(at)} <span class="muted">${ago(at)} ago</span></td>
    <td>${words(action.kind)}</td>
    <td><span class=${`status ${tone}`}><${Icon} name=${icon} />${label}</span></td>
    <td>${action.source}</td>
    <td><a href=${address(log)} onClick=${follow(log)}><code>${action.upstreamId}</code></a></td>
    <td class="nowrap">${action.caller}</td>
    <td class="wide" dir="auto">${action.message ?? ""}${action.errorCode && html` <code>${action.errorCode}</code>`}</td>
  </tr>`;
}
