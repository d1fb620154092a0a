// One delivery, beside the list: what was sent, what came back, why it failed, what one can do.
import { remove, retry } from "./actions.js";
import { Body, masked } from "./body.js";
import { documentText, read } from "./client.js";
import { Compare, compared, toggled } from "./compare.js";
import { curlOf } from "./curl.js";
import { useKeys } from "./keys.js";
import { classes, html, useEffect, useObservable, useRef, useState } from "./lib.js";
import { CATEGORIES, explain, hostOf, title } from "./names.js";
import { zone } from "./preferences.js";
import { address, changed, follow, route, update } from "./route.js";
import { ago, clock, dayName, duration, full, parse } from "./time.js";
import { Ago, Button, Dialog, Empty, Icon, Status, copy, say } from "./ui.js";
import { mayAct } from "./viewer.js";

const { explorer } = document.body.dataset;
/** Milliseconds after which a delivery without a result is read again. */
const AGAIN = 4000;

export function Delivery({ id, parameters, onClose, onRetried, onDeleted, onMove }) {
  const [state, setState] = useState({ log: null, error: null });
  const [isBusy, setBusy] = useState(false);
  const [isAsking, setAsking] = useState(false);
  const [turn, setTurn] = useState(0);
  const pane = useRef();
  useObservable(zone);

  useEffect(() => {
    const abort = new AbortController();
    load(id, abort.signal)
      .then((log) => setState({ log, error: null }))
      .catch((error) => !abort.signal.aborted && setState((old) => ({ ...old, error })));
    return () => abort.abort();
  }, [id, turn]);

  const { log, error } = state;
  useEffect(() => {
    if (log?.status !== "PENDING") return;
    const timer = setTimeout(() => setTurn(turn + 1), AGAIN);
    return () => clearTimeout(timer);
  }, [log]);

  const can = (name) => {
    const action = log?.availableActions.find((one) => one.action === name);
    return action?.available ? null : (action?.reason ?? "This is not known yet.");
  };
  const send = async () => {
    if (!log || isBusy) return;
    if (can("RETRY")) return say({ text: can("RETRY"), tone: "bad" });
    setBusy(true);
    try {
      onRetried(await retry(id));
      setTurn((old) => old + 1);
    } catch (failure) {
      say({ text: `It was not sent again: ${failure.message}`, tone: "bad" });
    } finally {
      setBusy(false);
    }
  };
  const copyCurl = () => log?.request && copy(curlOf(log.request), "The command");
  useKeys({
    r: send,
    c: () => copy(id, "The id"),
    u: copyCurl,
    Escape: onClose,
  });

  return html`<aside class="drawer" ref=${pane} aria-label="Delivery">
    <header class="drawer-head">
      <div class="drawer-title">
        ${log ? html`<${Status} value=${log.status} />` : html`<span class="muted">Delivery</span>`}
        <h2>${log?.event ?? log?.hook?.name ?? (log ? "No event" : "Loading…")}</h2>
      </div>
      <div class="drawer-tools">
        <${Button} kind="plain" icon="left" label="Previous (k)" onClick=${() => onMove(-1)} />
        <${Button} kind="plain" icon="right" label="Next (j)" onClick=${() => onMove(1)} />
        <${Button} kind="plain" icon="cross" label="Close (Esc)" onClick=${onClose} />
      </div>
      ${log &&
      html`<div class="row-of-buttons">
        <${Button} kind=${log.status === "FAILED" && "primary"} icon="retry" busy=${isBusy} reason=${can("RETRY")} onClick=${send}>
          ${isBusy ? "Sending…" : "Retry"}<//
        >
        <${Button} icon="trash" reason=${can("DELETE")} onClick=${() => setAsking(true)}>Delete<//>
        <${Button} icon="copy" onClick=${() => copy(id, "The id")}>Copy id<//>
        ${log.request && html`<${Button} icon="code" onClick=${copyCurl}>Copy as curl<//>`}
        ${explorer && html`<${ExplorerLink} id=${id} />`}
      </div>
      ${can("RETRY") && html`<p class="reason"><${Icon} name="slash" size=${14} />${can("RETRY")}</p>`}`}
    </header>
    <div class="drawer-body" tabindex="0" role="region" aria-label="Details of the delivery">
      ${error && !log
        ? html`<${Empty}
            icon="warning"
            tone="bad"
            title=${error.code === "NOT_FOUND" ? "There is no such delivery" : "The delivery could not be loaded"}
            actions=${html`<${Button} icon="refresh" onClick=${() => setTurn(turn + 1)}>Try again<//>`}
          >
            <p>${error.message}</p>
          <//>`
        : log
          ? html`<${Details} log=${log} parameters=${parameters} key=${id} />`
          : html`<div class="skeleton" role="status"><span class="hidden">Loading…</span>${[1, 2, 3, 4, 5].map(() => html`<div class="skeleton-row"><i></i><i></i></div>`)}</div>`}
    </div>
    ${isAsking &&
    html`<${DeleteDialog}
      log=${log}
      onClose=${() => setAsking(false)}
      onDone=${() => {
        setAsking(false);
        onDeleted(id);
      }}
    />`}
  </aside>`;
}

/** Read a delivery with as much as the caller may see. */
async function load(id, signal) {
  // Which source it is of, and so which role the caller has, only its row says.
  const full = mayAct("READER");
  try {
    return await read("Delivery", { id, full }, "webhookLog", { signal });
  } catch (error) {
    if (error.code !== "FORBIDDEN") throw error;
    return read("Delivery", { id, full: false }, "webhookLog", { signal });
  }
}

function Details({ log, parameters }) {
  const reads = mayAct("READER", log.source.name);
  const pair = compared(parameters);
  return html`<${Fault} log=${log} />
    ${log.warnings.map((text) => html`<p class="note"><${Icon} name="warning" />${text}</p>`)}
    <${Facts} log=${log} />
    ${pair.length === 2 && html`<${Compare} log=${log} pair=${pair} reads=${reads} />`}
    ${log.attempts?.length > 0 && html`<${Attempts} log=${log} parameters=${parameters} pair=${pair} />`}
    ${log.correlationId && html`<${Related} log=${log} parameters=${parameters} pair=${pair} />`}
    <${Message} name="Request" message=${log.request} reads=${reads}>
      ${log.request && html`<p class="line"><strong>${log.request.method ?? "Method not recorded"}</strong> <code>${masked(log.request.url ?? "URL not recorded")}</code></p>`}
    <//>
    <${Message} name="Response" message=${log.response} reads=${reads}>
      ${log.response && html`<p class="line"><strong class=${log.response.statusCode >= 400 && "bad-text"}>${log.response.statusCode ?? "Code not recorded"}</strong>${log.durationMs != null && html` <span class="muted">after ${duration(log.durationMs)}</span>`}</p>`}
    <//>
    ${mayAct("ADMIN", log.source.name) && html`<${Raw} id=${log.id} />`}`;
}

/** Why it failed, and what to do. */
function Fault({ log }) {
  if (!log.failure) return null;
  const { category, message, retryable } = log.failure;
  const [what, help] = explain(category, log.response?.statusCode);
  return html`<section class="fault-box" aria-labelledby="fault">
    <h3 id="fault"><span class="category">${CATEGORIES[category]}</span> ${what}</h3>
    <p>${help} ${retryable ? "Sending it again is likely to work." : "Sending it again unchanged will most likely fail, too."}</p>
    ${message && html`<blockquote dir="auto">${masked(message)}</blockquote>`}
  </section>`;
}

function Facts({ log }) {
  const time = (text) => text && html`<time dateTime=${text} title=${text}>${full(parse(text))}</time> <span class="muted">${ago(parse(text))} ago</span>`;
  const facts = [
    ["Triggered", time(log.triggeredAt)],
    ["Last attempt", log.lastAttemptedAt !== log.triggeredAt && time(log.lastAttemptedAt)],
    ["Source", html`${log.source.name} <span class="muted">${title(log.source.provider)}</span>`],
    ["Hook", log.hook && html`${log.hook.name ?? hostOf(log.hook.url) ?? "unnamed"}${log.hook.enabled === false && html` <span class="tag">switched off</span>`}`],
    ["Target", log.request?.url && hostOf(log.request.url)],
    ["Duration", duration(log.durationMs)],
    ["Attempt", log.attempt],
    ["Repeats", log.redeliveryOf ? html`<${LogLink} id=${log.redeliveryOf}>an earlier delivery<//>` : log.isRedelivery && "an earlier delivery"],
    ["Vendor's id", html`<code class="wrap">${log.upstreamId}</code>`],
    ["Correlation", log.correlationId && html`<code class="wrap">${log.correlationId}</code>`],
    ["Read", log.freshness && html`<${Ago} time=${log.freshness.fetchedAt} />${log.freshness.failure && html` <span class="tag">the vendor fails: ${log.freshness.failure}</span>`}`],
  ];
  return html`<dl class="facts">
    ${facts.filter(([, value]) => value).map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}
  </dl>`;
}

function LogLink({ id, children }) {
  const next = changed(useObservable(route), { log: id, compare: null });
  return html`<a href=${address(next)} onClick=${follow(next)}>${children}</a>`;
}

/** The attempts of one delivery, the first one first. */
function Attempts({ log, parameters, pair }) {
  return html`<section>
    <h3>Attempts <span class="muted">${log.attempts.length}</span></h3>
    <ol class="timeline">
      ${log.attempts.map((attempt, index) => {
        const before = parse(log.attempts[index - 1]?.at);
        const at = parse(attempt.at);
        return html`<${Step}
          key=${index}
          status=${attempt.status}
          at=${at}
          gap=${at - before}
          mark=${`attempt ${attempt.number ?? index + 1}`}
          code=${attempt.statusCode}
          ms=${attempt.durationMs}
          text=${attempt.error}
          compare=${log.attempts.length > 1 && { of: `a${index}`, pair, parameters }}
        />`;
      })}
    </ol>
  </section>`;
}

/** Other deliveries of the same event, where each attempt has a log of its own. */
function Related({ log, parameters, pair }) {
  const [state, setState] = useState({ nodes: null, error: null });
  useEffect(() => {
    const abort = new AbortController();
    const variables = { source: log.source.name, correlationId: log.correlationId };
    read("Related", variables, "webhookLogs", { signal: abort.signal })
      .then((page) => setState({ ...page, error: null }))
      .catch((error) => !abort.signal.aborted && setState({ nodes: [], error }));
    return () => abort.abort();
  }, [log.id, log.status]);
  const { nodes, error, pageInfo } = state;
  const others = nodes?.filter((node) => node.id !== log.id) ?? [];
  const all = changed(parameters, { correlation: log.correlationId, status: null, time: null, log: null, compare: null });
  if (error) return html`<section><h3>Same correlation</h3><p class="muted">Could not be read: ${error.message}</p></section>`;
  if (!others.length) return null;
  return html`<section>
    <h3>
      Same correlation <span class="muted">${nodes.length}${pageInfo.hasNextPage ? "+" : ""}</span>
      <a class="aside" href=${address(all)} onClick=${follow(all)}>Show in the list</a>
    </h3>
    <ol class="timeline">
      ${[...nodes].reverse().map((node) => {
        const next = changed(parameters, { log: node.id, compare: null });
        return html`<${Step}
          key=${node.id}
          isCurrent=${node.id === log.id}
          status=${node.status}
          at=${parse(node.triggeredAt)}
          mark=${node.attempt ? `attempt ${node.attempt}` : ""}
          link=${node.id === log.id ? null : next}
          name=${node.event ?? "Delivery"}
          code=${node.response?.statusCode}
          ms=${node.durationMs}
          text=${node.failure?.message}
          compare=${{ of: `l${node.id}`, pair, parameters }}
        />`;
      })}
    </ol>
  </section>`;
}

function Step({ status, at, gap, mark, code, ms, text, name, link, isCurrent, compare }) {
  return html`<li class=${classes("step", isCurrent && "current")} aria-current=${isCurrent ? "true" : undefined}>
    <${Status} value=${status} bare />
    <div>
      <p>
        ${link ? html`<a href=${address(link)} onClick=${follow(link)}>${name}</a> ` : name && html`<strong>${name}</strong> `}
        ${Number.isNaN(at) ? html`<span class="muted">no time</span>` : html`<time title=${full(at)}>${dayName(at)}, ${clock(at)}</time>`}
        ${gap > 0 && html` <span class="muted">${ago(-gap, 0)} later</span>`}
        <span class="muted"> ${[mark, code, duration(ms)].filter(Boolean).join(" · ")}</span>
        ${isCurrent && html` <span class="tag">shown</span>`}
      </p>
      ${text && html`<p class="muted clamp" title=${text} dir="auto">${text}</p>`}
    </div>
    ${compare &&
    html`<label class="compare-box">
      <input
        type="checkbox"
        checked=${compare.pair.includes(compare.of)}
        onChange=${() => update({ compare: toggled(compare.pair, compare.of) }, { replace: true })}
      />
      <span>Compare</span>
    </label>`}
  </li>`;
}

/** Headers as a table, and the body. */
export function Message({ name, message, reads, children }) {
  if (!message)
    return html`<section><h3>${name}</h3><p class="muted">${name === "Response" ? "There was none, or the vendor does not record it." : "The vendor does not record it."}</p></section>`;
  const { headers, body } = message;
  return html`<section>
    <h3>${name}</h3>
    ${children}
    ${headers?.length > 0 &&
    html`<details open>
      <summary>${headers.length} headers</summary>
      <table class="headers">
        <tbody>
          ${headers.map(
            ({ name: header, value, redacted }, index) => html`<tr key=${index}>
              <th scope="row">${header}</th>
              <td dir="auto">
                ${value == null ? html`<span class="muted">hidden</span>` : redacted ? html`<span class="mask">${value}</span>` : masked(value)}
                ${redacted && html`<span class="tag"><${Icon} name="lock" size=${12} />masked</span>`}
              </td>
            </tr>`,
          )}
        </tbody>
      </table>
    </details>`}
    ${headers == null && html`<p class="muted">The vendor does not record the headers.</p>`}
    ${!reads
      ? html`<p class="note"><${Icon} name="lock" />Bodies and the values of headers need the role reader.</p>`
      : body
        ? html`<${Body} text=${body} label=${`body of the ${name.toLowerCase()}`} />`
        : html`<p class="muted">${body === "" ? "The body is empty." : "The vendor does not record the body."}</p>`}
  </section>`;
}

/** The vendor's document, read when it is opened. */
function Raw({ id }) {
  const [state, setState] = useState({});
  const load = async (event) => {
    if (!event.target.open || state.text) return;
    try {
      const { raw } = await read("Raw", { id }, "webhookLog");
      setState({ text: JSON.stringify(raw) });
    } catch (error) {
      setState({ error });
    }
  };
  return html`<section>
    <details onToggle=${load}>
      <summary><h3>Raw document of the vendor</h3></summary>
      ${state.error && html`<p class="fault">${state.error.message}</p>`}
      ${state.text ? html`<${Body} text=${state.text} label="raw document" />` : !state.error && html`<p class="muted">Loading…</p>`}
    </details>
  </section>`;
}

/** A link to GraphiQL with the query of this delivery. */
function ExplorerLink({ id }) {
  const [href, setHref] = useState(explorer);
  useEffect(() => {
    documentText("Delivery").then((query) => {
      const hash = new URLSearchParams({ query, variables: JSON.stringify({ id }, null, 2) });
      setHref(`${explorer}#${hash}`);
    });
  }, [id]);
  return html`<a class="button" href=${href} target="_blank" rel="noopener"><${Icon} name="out" /><span>GraphiQL</span></a>`;
}

function DeleteDialog({ log, onClose, onDone }) {
  const [isBusy, setBusy] = useState(false);
  const [fault, setFault] = useState(null);
  const run = async () => {
    setBusy(true);
    try {
      await remove(log.id);
      say({ text: "The delivery was deleted.", tone: "good" });
      onDone();
    } catch (error) {
      setFault(error.message);
      setBusy(false);
    }
  };
  return html`<${Dialog} title="Delete this delivery?" onClose=${onClose}>
    <p>
      The vendor of <strong>${log.source.name}</strong> will delete the log of
      <strong>${log.event ?? log.upstreamId}</strong>${log.triggeredAt && ` of ${full(parse(log.triggeredAt))}`} for good. This
      can't be undone.
    </p>
    ${fault && html`<p class="fault" role="alert">${fault}</p>`}
    <footer class="row-of-buttons">
      <${Button} onClick=${onClose}>Cancel<//>
      <${Button} kind="danger" icon="trash" busy=${isBusy} onClick=${run}>${isBusy ? "Deleting…" : "Delete"}<//>
    </footer>
  <//>`;
}
