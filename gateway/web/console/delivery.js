// One delivery, beside the list: what was sent, what came back, why it failed, what one can do.
import { CATEGORIES, STATUSES, ago, asWritten, changed, classes, clock, dayName, documentText, duration, explain, full, hostOf, html, mayAct, parse, read, route, title, to, update, useEffect, useMemo, useObservable, useRef, useState, zone } from "./core.js";
import { Ago, Broken, Button, Icon, Skeleton, Status, copy, retry, say, useKeys } from "./parts.js";

const { explorer } = document.body.dataset;
const AGAIN = 4000;

export function Delivery({ id, parameters, onClose, onRetried, onDelete, onMove }) {
  const [state, setState] = useState({ log: null, error: null });
  const [isBusy, setBusy] = useState(false);
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
  const isMissing = ["NOT_FOUND", "INVALID_ID"].includes(error?.code);
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
        <h2>${log?.event ?? log?.hook?.name ?? (log ? "No event" : error ? "" : "Loading…")}</h2>
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
        <${Button} icon="trash" reason=${can("DELETE")} onClick=${() => onDelete(log)}>Delete<//>
        <${Button} icon="copy" onClick=${() => copy(id, "The id")}>Copy id<//>
        ${log.request && html`<${Button} icon="code" onClick=${copyCurl}>Copy as curl<//>`}
        ${explorer && html`<${ExplorerLink} id=${id} />`}
      </div>
      ${can("RETRY") && html`<p class="reason"><${Icon} name="slash" size=${14} />${can("RETRY")}</p>`}`}
    </header>
    <div class="drawer-body" tabindex="0" role="region" aria-label="Details of the delivery">
      ${error && !log
        ? html`<${Broken}
            title=${isMissing ? "There is no such delivery" : "The delivery could not be loaded"}
            error=${error}
            again=${!isMissing && (() => setTurn(turn + 1))}
          />`
        : log
          ? html`<${Details} log=${log} parameters=${parameters} key=${id} />`
          : html`<${Skeleton} rows=${5} />`}
    </div>
  </aside>`;
}

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
    ${log.attempts?.length > 0 && html`<${Attempts} log=${log} parameters=${parameters} pair=${pair} />`}
    ${log.correlationId && html`<${Related} log=${log} parameters=${parameters} pair=${pair} />`}
    ${pair.length === 2 && html`<${Compare} log=${log} pair=${pair} reads=${reads} />`}
    <${Message} name="Request" message=${log.request} reads=${reads}>
      ${log.request && html`<p class="line"><strong>${log.request.method ?? "Method not recorded"}</strong> <code>${masked(log.request.url ?? "URL not recorded")}</code></p>`}
    <//>
    <${Message} name="Response" message=${log.response} reads=${reads}>
      ${log.response && html`<p class="line"><strong class=${log.response.statusCode >= 400 && "bad-text"}>${log.response.statusCode ?? "Code not recorded"}</strong>${log.durationMs != null && html` <span class="muted">after ${duration(log.durationMs)}</span>`}</p>`}
    <//>
    ${mayAct("ADMIN", log.source.name) && html`<${Raw} id=${log.id} />`}`;
}

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
    ["Vendor's id", html`<code>${log.upstreamId}</code>`],
    ["Correlation", log.correlationId && html`<code>${log.correlationId}</code>`],
    ["Read", log.freshness && html`<${Ago} time=${log.freshness.fetchedAt} />${log.freshness.failure && html` <span class="tag">the vendor fails: ${log.freshness.failure}</span>`}`],
  ];
  return html`<dl class="facts">
    ${facts.filter(([, value]) => value).map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}
  </dl>`;
}

function LogLink({ id, children }) {
  const next = changed(useObservable(route), { log: id, compare: null });
  return html`<a ...${to(next)}>${children}</a>`;
}

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
      <a class="aside" ...${to(all)}>Show in the list</a>
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
        ${link ? html`<a ...${to(link)}>${name}</a> ` : name && html`<strong>${name}</strong> `}
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

function Message({ name, message, reads, children }) {
  if (!message)
    return html`<section><h3>${name}</h3><p class="muted">${name === "Response" ? "There was none, or the vendor does not record it." : "The vendor does not record it."}</p></section>`;
  const { headers, body } = message;
  return html`<section>
    <h3>${name}</h3>
    ${children}
    ${headers?.length > 0 && !reads && html`<p class="muted">Headers: ${headers.map((one) => one.name).join(", ")}</p>`}
    ${headers?.length > 0 &&
    reads &&
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

function Raw({ id }) {
  const [state, setState] = useState({});
  const load = async (event) => {
    if (!event.target.open || state.text) return;
    try {
      const { raw } = await read("Raw", { id }, "webhookLog", { reviver: asWritten });
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

function ExplorerLink({ id }) {
  const [href, setHref] = useState(explorer);
  useEffect(() => {
    documentText("Delivery").then((query) => {
      const hash = new URLSearchParams({ query, variables: JSON.stringify({ id }, null, 2) });
      setHref(`${explorer}#${hash}`);
    });
  }, [id]);
  return html`<a class="button" href=${href} target="_blank" rel="opener"><${Icon} name="out" /><span>GraphiQL</span></a>`;
}

// Bodies as people read them: JSON in lines, other text as it is, masked parts marked.

/** Characters beyond which a body is cut until the reader asks for all of it. */
const CUT = 60_000;
/** Characters beyond which nothing is coloured or marked. */
const COLOURED = 120_000;
const MASK = /\*{3,}/;

const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null|[{}[\],:]/g;

/**
 * Return JSON with a line for each value, as pairs of a kind and a text; null if it is no JSON.
 * Numbers stay as they are: they may be larger than JavaScript's.
 */
function pretty(text) {
  try {
    if (!/^\s*[[{]/.test(text)) return null;
    JSON.parse(text);
  } catch {
    return null;
  }
  const parts = [];
  let depth = 0;
  const line = () => parts.push(["", `\n${"  ".repeat(depth)}`]);
  const tokens = text.match(TOKEN);
  tokens.forEach((token, index) => {
    const next = tokens[index + 1];
    if (token === "{" || token === "[") {
      parts.push(["mark", token]);
      if (next === "}" || next === "]") return;
      depth += 1;
      line();
    } else if (token === "}" || token === "]") {
      const before = tokens[index - 1];
      if (before !== "{" && before !== "[") {
        depth -= 1;
        line();
      }
      parts.push(["mark", token]);
    } else if (token === ",") {
      parts.push(["mark", token]);
      line();
    } else if (token === ":") parts.push(["mark", ": "]);
    else if (token[0] === '"') parts.push([next === ":" ? "name" : "text", token]);
    else parts.push(["value", token]);
  });
  return parts;
}

function masked(text) {
  if (!MASK.test(text) || text.length > COLOURED) return text;
  return text
    .split(/(\*{3,})/)
    .map((part, index) => (index % 2 ? html`<${Mask} key=${index}>${part}<//>` : part));
}

const Mask = ({ children }) =>
  html`<span class="mask" title="Masked by the gateway or the vendor">${children}<span class="hidden"> (masked)</span></span>`;

/** A body with its size, and buttons to copy it and to see it as it was sent. */
function Body({ text, label }) {
  const [isRaw, setRaw] = useState(false);
  const [isWhole, setWhole] = useState(false);
  const parts = useMemo(() => pretty(text), [text]);
  const plain = useMemo(
    () => (parts && !isRaw ? parts.map(([, part]) => part).join("") : text),
    [parts, isRaw, text],
  );
  const isCut = plain.length > CUT && !isWhole;
  const isColoured = parts && !isRaw && plain.length <= COLOURED;
  return html`<figure class="body">
    <figcaption>
      <span class="muted">${parts ? "JSON" : "Text"}, ${size(text)}</span>
      ${MASK.test(text) && html`<span class="tag"><${Icon} name="lock" size=${12} />masked parts</span>`}
      <span class="space"></span>
      ${parts &&
      html`<${Button} kind="plain small" aria-pressed=${isRaw} onClick=${() => setRaw(!isRaw)}>As sent<//>`}
      <${Button} kind="plain small" icon="copy" label=${`Copy the ${label}`} onClick=${() => copy(text, `The ${label}`)} />
    </figcaption>
    <pre tabindex="0" role="region" aria-label=${label} dir=${parts ? "ltr" : "auto"}><code>${
      isColoured && !isCut ? coloured(parts) : isCut ? masked(plain.slice(0, CUT)) : masked(plain)
    }</code></pre>
    ${isCut &&
    html`<div class="cut">
      <span class="muted">The first ${size(plain.slice(0, CUT))} of ${size(plain)}.</span>
      <${Button} kind="small" onClick=${() => setWhole(true)}>Show all<//>
    </div>`}
  </figure>`;
}

/** Join neighbours of one kind, so that the page has fewer elements. */
function coloured(parts) {
  const spans = [];
  let plain = "";
  for (const [kind, text] of parts) {
    if (kind === "" || kind === "mark") plain += text;
    else {
      if (plain) spans.push(plain);
      plain = "";
      spans.push(html`<span class=${`json-${kind}`}>${masked(text)}</span>`);
    }
  }
  return [...spans, plain];
}

function size(text) {
  const bytes = new Blob([text]).size;
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1e6 ? `${Math.round(bytes / 1000)} KB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

// The request as a command for a shell.

const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

/** Headers that curl sets itself, from the URL and the body. */
const OWN = new Set(["host", "content-length", "connection", "accept-encoding", "transfer-encoding"]);

/** Return a command that sends a request; its first lines name what is masked or not recorded. */
function curlOf(request) {
  const { url, method, headers, body } = request;
  const sent = (headers ?? []).filter(({ name }) => !OWN.has(name.toLowerCase()));
  const notes = [];
  const maskedNames = sent.filter(({ redacted, value }) => redacted || value == null).map(({ name }) => name);
  if (url?.includes("***")) maskedNames.unshift("parts of the URL");
  if (body?.includes("***")) maskedNames.push("parts of the body");
  if (maskedNames.length) notes.push(`Masked, fill in before sending: ${maskedNames.join(", ")}.`);
  if (!method) notes.push("The vendor does not record the method; POST is the usual one.");
  if (headers == null) notes.push("The vendor does not record the headers.");
  if (body === null) notes.push("The vendor does not record the body.");
  if (body === undefined) notes.push("The body needs the role reader.");
  const lines = [`curl -X ${method ?? "POST"} ${quoted(url ?? "https://receiver.invalid/")}`];
  for (const { name, value } of sent) lines.push(`  -H ${quoted(`${name}: ${value ?? "***"}`)}`);
  if (body != null) lines.push(`  --data-binary ${quoted(body)}`);
  return [...notes.map((note) => `# ${note}`), lines.join(" \\\n")].join("\n");
}

// Two attempts, or two deliveries, side by side.

const LINES = 600;

/** Return what the parameters say to compare: a0 is the first attempt, lID a delivery. */
const compared = (parameters) => parameters.getAll("compare").slice(0, 2);

const toggled = (pair, one) =>
  pair.includes(one) ? pair.filter((other) => other !== one) : [...pair, one].slice(-2);

function Compare({ log, pair, reads }) {
  const [sides, setSides] = useState(null);
  const [fault, setFault] = useState(null);
  useEffect(() => {
    const abort = new AbortController();
    Promise.all(pair.map((one) => sideOf(one, log, reads, abort.signal)))
      .then((loaded) => setSides(loaded.toSorted((a, b) => a.at - b.at)))
      .catch((error) => !abort.signal.aborted && setFault(error.message));
    return () => abort.abort();
  }, [...pair, log]);
  return html`<section class="compare" aria-labelledby="compare">
    <h3 id="compare">
      Compared
      <${Button} kind="plain small" icon="cross" label="End the comparison" onClick=${() => update({ compare: null }, { replace: true })} />
    </h3>
    ${fault ? html`<p class="fault">${fault}</p>` : sides ? html`<${Table} sides=${sides} />` : html`<p class="muted">Loading…</p>`}
  </section>`;
}

async function sideOf(one, log, full, signal) {
  if (one.startsWith("a")) {
    const attempt = log.attempts?.[Number(one.slice(1))];
    if (!attempt) throw new Error("There is no such attempt.");
    return {
      title: `Attempt ${attempt.number ?? Number(one.slice(1)) + 1}`,
      at: parse(attempt.at),
      status: attempt.status,
      code: attempt.statusCode,
      ms: attempt.durationMs,
      error: attempt.error,
      response: attempt.responseBody,
    };
  }
  const id = one.slice(1);
  const other = id === log.id ? log : await read("Delivery", { id, full }, "webhookLog", { signal });
  return {
    title: other.attempt ? `Attempt ${other.attempt}` : id === log.id ? "This delivery" : "Other delivery",
    at: parse(other.triggeredAt),
    status: other.status,
    code: other.response?.statusCode,
    ms: other.durationMs,
    category: other.failure?.category,
    error: other.failure?.message,
    url: other.request?.url,
    headers: headerLines(other.request?.headers),
    body: other.request?.body,
    responseHeaders: headerLines(other.response?.headers),
    response: other.response?.body,
  };
}

const headerLines = (headers) => headers?.map(({ name, value }) => `${name}: ${value ?? "hidden"}`).join("\n");

function Table({ sides }) {
  const row = (name, show) => {
    const texts = sides.map(show);
    if (texts.every((text) => text == null || text === "")) return null;
    const differs = name !== "Time" && texts[0] !== texts[1];
    return html`<tr class=${differs ? "differs" : ""}>
      <th scope="row">${name}${differs && html`<span class="hidden"> (differs)</span>`}</th>
      ${texts.map((text) => html`<td dir="auto">${text || html`<span class="muted">–</span>`}</td>`)}
    </tr>`;
  };
  return html`<table class="pair">
      <thead>
        <tr><td></td>${sides.map((side) => html`<th scope="col">${side.title}</th>`)}</tr>
      </thead>
      <tbody>
        ${row("Time", ({ at }) => (Number.isNaN(at) ? "" : full(at)))} ${row("Status", ({ status }) => STATUSES[status].name)}
        ${row("Code", ({ code }) => code && String(code))} ${row("Duration", ({ ms }) => duration(ms))}
        ${row("Reason", ({ category }) => CATEGORIES[category])} ${row("Error", ({ error }) => error)}
        ${row("Target", ({ url }) => url)}
      </tbody>
    </table>
    <${Lines} name="Request headers" texts=${sides.map((side) => side.headers)} />
    <${Lines} name="Request body" texts=${sides.map((side) => inLines(side.body))} />
    <${Lines} name="Response headers" texts=${sides.map((side) => side.responseHeaders)} />
    <${Lines} name="Response body" texts=${sides.map((side) => inLines(side.response))} />`;
}

const inLines = (text) => (text ? (pretty(text)?.map(([, part]) => part).join("") ?? text) : text);

function Lines({ name, texts }) {
  if (!texts[0] && !texts[1]) return null;
  if (texts[0] === texts[1]) return html`<p class="same"><${Icon} name="check" />${name}: the same</p>`;
  const [left, right] = texts.map((text) => (text ? text.split("\n").slice(0, LINES) : []));
  return html`<details open>
    <summary>${name}: different</summary>
    <div class="diff" tabindex="0" role="region" aria-label=${`${name}, line by line`}>
      ${differences(left, right).map(
        ({ sign, text }, index) => html`<div key=${index} class=${{ "-": "gone", "+": "come" }[sign] ?? ""}>
          <span class="sign">${sign}</span><span class="line-text">${text || " "}</span>
        </div>`,
      )}
    </div>
  </details>`;
}

/** Return the lines of both texts in order, by their longest common subsequence. */
function differences(left, right) {
  const length = Array.from({ length: left.length + 1 }, () => new Uint16Array(right.length + 1));
  for (let i = left.length - 1; i >= 0; i--)
    for (let j = right.length - 1; j >= 0; j--)
      length[i][j] = left[i] === right[j] ? length[i + 1][j + 1] + 1 : Math.max(length[i + 1][j], length[i][j + 1]);
  const lines = [];
  let [i, j] = [0, 0];
  while (i < left.length || j < right.length) {
    if (i < left.length && j < right.length && left[i] === right[j]) {
      lines.push({ sign: " ", text: left[i] });
      i += 1;
      j += 1;
    } else if (j >= right.length || (i < left.length && length[i + 1][j] >= length[i][j + 1])) {
      lines.push({ sign: "-", text: left[i++] });
    } else lines.push({ sign: "+", text: right[j++] });
  }
  return lines;
}
