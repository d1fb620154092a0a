// Two attempts, or two deliveries, side by side.
import { pretty } from "./body.js";
import { read } from "./client.js";
import { html, useEffect, useState } from "./lib.js";
import { CATEGORIES, STATUSES } from "./names.js";
import { update } from "./route.js";
import { duration, full, parse } from "./time.js";
import { Button, Icon } from "./ui.js";

/** Lines of a body that are compared at most. */
const LINES = 600;

/** Return what the parameters say to compare: a0 is the first attempt, lID a delivery. */
export const compared = (parameters) => parameters.getAll("compare").slice(0, 2);

/** Return the pair with one more, or one less; the oldest choice makes room. */
export const toggled = (pair, one) =>
  pair.includes(one) ? pair.filter((other) => other !== one) : [...pair, one].slice(-2);

/** The comparison of a pair; it loads what it needs. */
export function Compare({ log, pair, reads }) {
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
    const differs = texts[0] !== texts[1];
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

/** Two texts line by line: what only one of them has is marked with a sign and a colour. */
function Lines({ name, texts }) {
  if (!texts[0] && !texts[1]) return null;
  if (texts[0] === texts[1]) return html`<p class="same"><${Icon} name="check" />${name}: the same</p>`;
  const [left, right] = texts.map((text) => (text ?? "").split("\n").slice(0, LINES));
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
export function differences(left, right) {
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
