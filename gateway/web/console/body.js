// Bodies as people read them: JSON in lines, other text as it is, masked parts marked.
import { html, useMemo, useState } from "./lib.js";
import { Button, Icon, copy } from "./ui.js";

/** Characters beyond which a body is cut until the reader asks for all of it. */
const CUT = 60_000;
/** Characters beyond which nothing is coloured. */
const COLOURED = 120_000;
const MASK = /\*{3,}/;

const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null|[{}[\],:]/g;

/**
 * Return JSON with a line for each value, as pairs of a kind and a text; null if it is no JSON.
 * The text of each value stays as it is, as numbers may be larger than JavaScript's.
 */
export function pretty(text) {
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

/** Return a text with every masked part marked as such. */
export function masked(text) {
  if (!MASK.test(text)) return text;
  return text
    .split(/(\*{3,})/)
    .map((part, index) => (index % 2 ? html`<${Mask} key=${index}>${part}<//>` : part));
}

const Mask = ({ children }) =>
  html`<span class="mask" title="Masked by the gateway or the vendor">${children}<span class="hidden"> (masked)</span></span>`;

/** A body with its size, and buttons to copy it and to see it as it was sent. */
export function Body({ text, label }) {
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
    <pre tabindex="0" role="region" aria-label=${label} dir="auto"><code>${
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

/** Return the size of a text in UTF-8: 812 B, 14 KB or 1.0 MB. */
export function size(text) {
  const bytes = new Blob([text]).size;
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1e6 ? `${Math.round(bytes / 1000)} KB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
