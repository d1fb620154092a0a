// The parts of which all screens are made: icons, buttons, dialogs, menus, messages.
import { GatewayError, STATUSES, ago, classes, count, full, html, observable, parse, read, shortcuts, useEffect, useLayoutEffect, useObservable, useRef, useState, words } from "./core.js";

const ICONS = {
  check: "M3.5 8.5 6.5 11.5 12.5 4.8",
  cross: "M4.2 4.2l7.6 7.6M11.8 4.2l-7.6 7.6",
  clock: "M8 4.6V8l2.3 1.6M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0Z",
  slash: "M3.9 12.1l8.2-8.2M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0Z",
  question: "M6 6.2a2 2 0 1 1 2.9 1.8c-.6.3-.9.7-.9 1.3M8 11.6v.1M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0Z",
  warning: "M8 6v3.2M8 11.4v.1M7.1 2.8 1.9 11.7a1 1 0 0 0 .9 1.6h10.4a1 1 0 0 0 .9-1.6L8.9 2.8a1 1 0 0 0-1.8 0Z",
  retry: "M13 3v3.4H9.6M12.7 6.2A5.2 5.2 0 1 0 13.2 9",
  trash: "M2.8 4.2h10.4M6.2 4V2.6h3.6V4M4.2 4.4l.6 8.8h6.4l.6-8.8M6.7 6.8v4M9.3 6.8v4",
  copy: "M5.6 5.6h7.6v7.6H5.6zM10.4 5.4V2.8H2.8v7.6h2.6",
  search: "M10.6 10.6 13.6 13.6M12 7A5 5 0 1 1 2 7a5 5 0 0 1 10 0Z",
  down: "M4 6.2 8 10.2 12 6.2",
  left: "M9.8 4 5.8 8l4 4",
  right: "M6.2 4l4 4-4 4",
  out: "M6.4 3.2H3.2v9.6h9.6V9.6M9.2 3h3.8v3.8M12.8 3.2 7.6 8.4",
  keyboard: "M1.8 4h12.4v8H1.8zM4.2 6.4h.1M6.7 6.4h.1M9.2 6.4h.1M11.7 6.4h.1M4.6 9.6h6.8",
  user: "M10.6 5.4a2.6 2.6 0 1 1-5.2 0 2.6 2.6 0 0 1 5.2 0ZM3 13.4c.5-2.3 2.4-3.8 5-3.8s4.5 1.5 5 3.8",
  key: "M9.6 9A3.6 3.6 0 1 0 6.9 6.4L2.6 10.7v2.6h2.6v-1.6h1.6V10ZM10.6 5.4v.1",
  plus: "M8 3.4v9.2M3.4 8h9.2",
  code: "M5.6 4.6 2.2 8l3.4 3.4M10.4 4.6 13.8 8l-3.4 3.4",
  lock: "M3.6 7.2h8.8v6H3.6zM5.4 7V5.2a2.6 2.6 0 0 1 5.2 0V7",
  inbox: "M2.4 9.2 4.2 3h7.6l1.8 6.2v3.6H2.4zM2.6 9.2h3.2l.8 1.6h2.8l.8-1.6h3.2",
  refresh: "M13 3v3.2H9.8M3 13V9.8h3.2M12.6 6A5 5 0 0 0 3.6 5M3.4 10a5 5 0 0 0 9 1",
};

export const Icon = ({ name, size = 16 }) => html`
  <svg class="icon" viewBox="0 0 16 16" width=${size} height=${size} aria-hidden="true" focusable="false">
    <path d=${ICONS[name]} />
  </svg>
`;

export function Status({ value, bare = false }) {
  const { name, icon, tone } = STATUSES[value] ?? STATUSES.UNKNOWN;
  return html`<span class=${`status ${tone}`} title=${bare ? name : undefined}>
    <${Icon} name=${icon} /><span class=${bare ? "hidden" : "status-name"}>${name}</span>
  </span>`;
}

/** A button; with a reason it is disabled for mouse and keyboard, and says why. */
export function Button({ icon, children, reason, kind, label, busy, class: extra, ...rest }) {
  const blocked = Boolean(reason) || busy;
  return html`<button
    type="button"
    ...${rest}
    class=${classes("button", kind, !children && "square", extra)}
    aria-label=${label}
    aria-disabled=${blocked ? "true" : undefined}
    aria-busy=${busy ? "true" : undefined}
    title=${reason ?? rest.title ?? label}
    onClick=${blocked ? (event) => event.preventDefault() : rest.onClick}
  >
    ${icon && html`<${Icon} name=${icon} />`}${children && html`<span>${children}</span>`}
  </button>`;
}

export function Ago({ time }) {
  const ms = typeof time === "string" ? parse(time) : time;
  if (Number.isNaN(ms) || ms == null) return html`<span class="muted">unknown</span>`;
  return html`<time dateTime=${new Date(ms).toISOString()} title=${full(ms)}>${ago(ms)} ago</time>`;
}

/** A dialog above everything; Escape and a click beside it close it. */
export function Dialog({ title, onClose, children, wide = false }) {
  const element = useRef();
  useLayoutEffect(() => {
    const dialog = element.current;
    const before = document.activeElement;
    dialog.showModal();
    return () => {
      dialog.close();
      before?.focus?.();
    };
  }, []);
  useEffect(() => {
    // What had the focus may be gone: a button that was pressed.
    const dialog = element.current;
    if (!dialog.contains(document.activeElement)) (dialog.querySelector("footer button") ?? dialog).focus();
  });
  return html`<dialog
    ref=${element}
    class=${classes("dialog", wide && "wide")}
    aria-labelledby="dialog-title"
    onCancel=${(event) => {
      event.preventDefault();
      onClose();
    }}
    onMouseDown=${(event) => event.target === element.current && onClose()}
  >
    <div class="dialog-box">
      <header>
        <h2 id="dialog-title">${title}</h2>
        <${Button} icon="cross" label="Close" kind="plain" onClick=${onClose} />
      </header>
      ${children}
    </div>
  </dialog>`;
}

/** A button with a panel below it, which Escape and a click elsewhere close. */
export function Menu({ label, button, class: name, children }) {
  const panel = useRef();
  const opener = useRef();
  const place = () => {
    const at = opener.current.getBoundingClientRect();
    const box = panel.current;
    box.style.top = `${Math.round(Math.min(at.bottom + 4, innerHeight - box.offsetHeight - 8))}px`;
    box.style.left = `${Math.round(Math.max(8, Math.min(at.left, innerWidth - box.offsetWidth - 8)))}px`;
  };
  const close = () => {
    panel.current.hidePopover();
    opener.current.focus();
  };
  useEffect(() => {
    const box = panel.current;
    const toggled = (event) => {
      const isOpen = event.newState === "open";
      opener.current.setAttribute("aria-expanded", isOpen);
      if (!isOpen) return;
      place();
      (box.querySelector("[autofocus], input, button, a") ?? box).focus();
    };
    box.addEventListener("toggle", toggled);
    return () => box.removeEventListener("toggle", toggled);
  }, []);
  return html`<button
      ref=${opener}
      type="button"
      class=${name}
      aria-haspopup="dialog"
      aria-expanded="false"
      onClick=${() => panel.current.togglePopover()}
    >
      ${button}
    </button>
    <div ref=${panel} popover="auto" class="menu" role="dialog" aria-label=${label} tabindex="-1">
      ${typeof children === "function" ? children(close) : children}
    </div>`;
}

export const Empty = ({ icon, title, children, actions, tone }) => html`
  <div class=${classes("empty", tone)}>
    <span class="empty-icon"><${Icon} name=${icon} size=${22} /></span>
    <h2>${title}</h2>
    <div class="empty-text">${children}</div>
    ${actions && html`<div class="row-of-buttons">${actions}</div>`}
  </div>
`;

export const Broken = ({ title, error, again, children }) => html`<${Empty}
  icon=${error.code === "FORBIDDEN" ? "lock" : "warning"}
  tone="bad"
  title=${title}
  actions=${again && html`<${Button} kind="primary" icon="refresh" onClick=${again}>Try again<//>${children}`}
>
  <p>${error.message}</p>
  ${error.requestId && html`<p class="muted">Request <code>${error.requestId}</code></p>`}
<//>`;

export const Skeleton = ({ rows }) => html`<div class="skeleton" role="status">
  <p class="end muted"><span class="spinner"></span>Loading…</p>
  ${Array.from({ length: rows }, () => html`<div class="skeleton-row"><i></i><i></i><i></i></div>`)}
</div>`;

const messages = observable([]);
let lastMessage = 0;

/** Show a message for some seconds: { text, tone: "good" or "bad", action: { name, run } }. */
export function say(message) {
  const shown = { id: ++lastMessage, ...message };
  messages.value = [...messages.value.slice(-2), shown];
  setTimeout(() => dismiss(shown.id), message.tone === "bad" || message.action ? 12_000 : 5000);
}

function dismiss(id) {
  messages.value = messages.value.filter((message) => message.id !== id);
}

export function Messages() {
  const shown = useObservable(messages);
  return html`<div class="messages" role="status" aria-live="polite">
    ${shown.map(
      ({ id, text, tone, action }) => html`<div key=${id} class=${classes("message", tone)}>
        <${Icon} name=${tone === "bad" ? "warning" : tone === "wait" ? "clock" : "check"} />
        <span>${text}</span>
        ${action &&
        html`<${Button}
          kind="plain"
          onClick=${() => {
            dismiss(id);
            action.run();
          }}
          >${action.name}<//
        >`}
        <${Button} icon="cross" kind="plain" label="Dismiss" onClick=${() => dismiss(id)} />
      </div>`,
    )}
  </div>`;
}

export async function copy(text, what) {
  try {
    // Without TLS browsers have no clipboard for pages, but still the old command.
    if (navigator.clipboard) await navigator.clipboard.writeText(text);
    else copyBySelection(text);
    say({ text: `${what} copied.`, tone: "good" });
  } catch {
    say({ text: `The browser did not allow to copy ${what.toLowerCase()}.`, tone: "bad" });
  }
}

function copyBySelection(text) {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "hidden";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (!done) throw new Error("refused");
}

// Keyboard shortcuts. The component that registered a key last has it.

const layers = [];
let prefix = "";
let timer;

const TEXT = "input:not([type=checkbox],[type=radio]), textarea, select, [contenteditable]";

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  const name = event.key;
  const at = event.target instanceof Element ? event.target : document.body;
  const isSingle = name.length === 1;
  if (document.querySelector("dialog[open]") || at.closest("[popover]") || (at.matches(TEXT) && name !== "Escape")) return;
  // A focused control has Enter and Space for itself.
  if ((name === "Enter" || name === " ") && at.closest("a, button, input, summary")) return;
  if (isSingle && !shortcuts.value) return;
  const sequence = prefix ? `${prefix} ${name}` : name;
  clearTimeout(timer);
  prefix = "";
  const action = find(sequence) ?? find(name);
  if (action) {
    event.preventDefault();
    action(event);
  } else if (layers.some((keys) => Object.keys(keys.current).some((key) => key.startsWith(`${name} `)))) {
    prefix = name;
    timer = setTimeout(() => (prefix = ""), 1000);
  }
});

function find(name) {
  for (let index = layers.length - 1; index >= 0; index--)
    if (layers[index].current[name]) return layers[index].current[name];
  return null;
}

/** Have these keys do something as long as the component is shown: { j: next, "g o": overview }. */
export function useKeys(keys) {
  const held = useRef(keys);
  held.current = keys;
  useEffect(() => {
    layers.push(held);
    return () => layers.splice(layers.indexOf(held), 1);
  }, []);
}

export const KEY_MAP = [
  [
    "Everywhere",
    [
      ["g o", "Overview"],
      ["g d", "Deliveries"],
      ["g j", "Journal"],
      [".", "Load again"],
      ["z", "Switch between local time and UTC"],
      ["?", "This help"],
    ],
  ],
  [
    "Overview",
    [
      ["j  k", "Next, previous failure"],
      ["← →", "Move in the chart; with Shift, choose a span"],
      ["Enter", "Open, or zoom in"],
    ],
  ],
  [
    "Deliveries",
    [
      ["j  k", "Next, previous"],
      ["Enter", "Open"],
      ["x", "Select"],
      ["a", "Select all that are loaded"],
      ["r", "Retry the selected ones, or the current one"],
      ["n", "Show new deliveries"],
      ["/", "Search"],
      ["c", "Copy the id of the open one"],
      ["u", "Copy it as curl"],
      ["Esc", "Close, or clear the selection"],
    ],
  ],
];

// What could not be read, told above the list instead of in place of it.

export function Reports({ list, again }) {
  const [isOpen, setOpen] = useState(false);
  const problems = list.reports.map(problemOf).filter(Boolean);
  if (!problems.length) return null;
  const failed = problems.filter((problem) => problem.isFailure);
  const names = problems.map((problem) => problem.name);
  const summary = failed.length
    ? `${list.length ? "Not everything is here: " : ""}${listed(failed.map((one) => one.name))} could not be read.`
    : names.length > 1
      ? `Not everything of ${listed(names)} is up to date and readable.`
      : `${names[0]}: ${problems[0].text}`;
  return html`<div class=${failed.length ? "reports bad" : "reports"} role="status">
    <${Icon} name="warning" />
    <p>${summary}</p>
    <${Button} kind="plain" aria-expanded=${isOpen} onClick=${() => setOpen(!isOpen)}>${isOpen ? "Less" : "Details"}<//>
    <${Button} kind="plain" icon="refresh" onClick=${again}>Try again<//>
    ${isOpen &&
    html`<ul>
      ${problems.map(
        ({ name, text, code, more, since }) => html`<li key=${name}>
          <strong>${name}</strong> ${text}${since && html` Shown as of <${Ago} time=${since} />.`}
          ${more && html`<span class="muted"> The vendor says: ${more}</span>`}
          ${code && html` <code>${code}</code>`}
        </li>`,
      )}
    </ul>`}
  </div>`;
}

function problemOf(report) {
  const { source, outcome, error, cache, fetchedAt, unreadable, unreadableReasons, notes } = report;
  const { name } = source;
  if (outcome !== "OK")
    return {
      name,
      isFailure: true,
      text: error?.message ?? `${words(outcome)}.`,
      code: error?.code,
      more: error?.vendorMessage,
      since: cache === "STALE" ? fetchedAt : null,
    };
  if (unreadable)
    return {
      name,
      text: `${count(unreadable, "row")} could not be read. ${unreadableReasons.join(" ")}`,
    };
  if (cache === "STALE" && notes.length) return { name, text: notes.join(" "), since: fetchedAt };
  return null;
}

const listed = (names) =>
  names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;

// Retry and delete: one delivery or many, and what came of it in words.

const AT_ONCE = 3;

/** Return an unguessable text; browsers have no randomUUID without TLS. */
function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `console-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

/**
 * Send a delivery again. The same idempotency key is used when the answer was lost, so that it is
 * sent once. Returns the payload; throws GatewayError, also for an error of the vendor.
 */
export async function retry(id) {
  const key = newKey();
  const attempt = () => read("Retry", { id, key }, "retryWebhookLog");
  const payload = await attempt().catch((error) => {
    if (error.kind === "unreachable") return attempt();
    throw error;
  });
  throwFirst(payload.userErrors);
  return payload;
}

async function remove(id) {
  const payload = await read("Delete", { id }, "deleteWebhookLog");
  throwFirst(payload.userErrors);
  return payload;
}

function throwFirst([error]) {
  if (!error) return;
  const { code, message, vendorMessage } = error;
  const words = vendorMessage && !message.includes(vendorMessage) ? `${message} ${vendorMessage}` : message;
  throw new GatewayError("failed", words, { code });
}

/** Say what a retry did; `show` opens the delivery of an id, `again` loads the list. */
export function sayRetried({ kind, webhookLog, replacement }, { show, again }) {
  if (kind === "NEW_LOG" && replacement)
    return say({
      text: "Sent again as a new delivery.",
      tone: "good",
      action: { name: "Show", run: () => show(replacement.id) },
    });
  if (kind === "NEW_LOG")
    return say({
      text: "The vendor has accepted it. The new delivery will be in the list in a moment.",
      tone: "wait",
      action: { name: "Load again", run: again },
    });
  if (kind === "MANY_LOGS")
    return say({
      text: "Sent again, and others with it.",
      tone: "good",
      action: { name: "Load again", run: again },
    });
  if (webhookLog?.status === "SUCCEEDED") return say({ text: "Sent again, and it succeeded.", tone: "good" });
  if (webhookLog?.status === "FAILED") return say({ text: "Sent again, and it failed again.", tone: "bad" });
  return say({ text: "Sent again. The result is still to come.", tone: "wait" });
}

/** What is done with many deliveries: null, or the state that `BulkDialog` shows. */
const bulk = observable(null);

export function openBulk(kind, rows, { done }) {
  const reasonOf = (row) => (kind === "retry" ? row.noRetry : row.noDelete);
  const able = rows.filter((row) => !reasonOf(row));
  const unable = Map.groupBy(
    rows.filter((row) => reasonOf(row)),
    reasonOf,
  );
  bulk.value = { kind, able, unable, state: "asking", results: [], done };
}

async function run() {
  const { kind, able, done } = bulk.value;
  const queue = [...able];
  const results = [];
  const set = (changes) => {
    if (bulk.value) bulk.value = { ...bulk.value, ...changes };
  };
  set({ state: "running", results });
  const worker = async () => {
    while (queue.length && bulk.value?.state === "running") {
      const row = queue.shift();
      try {
        const payload = await (kind === "retry" ? retry(row.id) : remove(row.id));
        results.push({ row, payload });
      } catch (error) {
        results.push({ row, error });
        if (error.kind === "locked") queue.length = 0;
      }
      set({ results: [...results] });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  set({ state: "done", results });
  done(results);
}

const WORDS = {
  retry: { title: "Retry deliveries", verb: "Retry", past: "sent again", doing: "Sending again", kind: "primary" },
  delete: { title: "Delete deliveries", verb: "Delete", past: "deleted", doing: "Deleting", kind: "danger" },
};

export function BulkDialog() {
  const shown = useObservable(bulk);
  if (!shown) return null;
  const { kind, able, unable, state, results } = shown;
  const words = WORDS[kind];
  const close = () => (bulk.value = null);
  const failed = results.filter((result) => result.error);
  const total = able.length;
  return html`<${Dialog} title=${words.title} onClose=${state === "running" ? () => {} : close}>
    ${state === "asking" && html`<${Question} ...${{ kind, able, unable }} />`}
    ${state !== "asking" &&
    html`<div class="progress-box">
      <progress max=${total} value=${results.length} aria-label=${words.doing}></progress>
      <p aria-live="polite">
        ${state === "running"
          ? `${words.doing}: ${results.length} of ${total}`
          : `${count(results.length - failed.length, "delivery", "deliveries")} ${words.past}${
              failed.length ? `, ${failed.length} refused or failed` : ""
            }${results.length < total ? `, ${total - results.length} left alone` : ""}.`}
      </p>
      ${failed.length > 0 && html`<${Failures} failed=${failed} />`}
    </div>`}
    <footer class="row-of-buttons">
      ${state === "asking" &&
      html`<${Button} autofocus=${kind === "delete"} onClick=${close}>Cancel<//>
        <${Button} kind=${words.kind} autofocus=${kind === "retry"} reason=${total ? null : "None of them can be."} onClick=${run}>
          ${words.verb} ${count(total, "delivery", "deliveries")}<//
        >`}
      ${state === "running" &&
      html`<${Button} onClick=${() => (bulk.value = { ...bulk.value, state: "stopping" })}>Stop<//>`}
      ${(state === "done" || state === "stopping") && html`<${Button} kind="primary" onClick=${close}>Close<//>`}
    </footer>
  <//>`;
}

function Question({ kind, able, unable }) {
  const sources = [...new Set(able.map((row) => row.source))].sort();
  return html`<div>
    ${able.length > 0 &&
    html`<p>
      ${kind === "retry"
        ? `The vendor will send ${count(able.length, "delivery", "deliveries")} again, of `
        : `The vendor will delete ${count(able.length, "delivery", "deliveries")} for good, of `}
      ${sources.map((name, index) => html`${index > 0 && ", "}<strong>${name}</strong>`)}.
      ${kind === "delete" && " This can't be undone."}
    </p>`}
    ${unable.size > 0 &&
    html`<div class="note">
      <${Icon} name="slash" />
      <ul>
        ${[...unable].map(
          ([reason, rows]) => html`<li><strong>${count(rows.length, "delivery", "deliveries")}</strong>: ${reason}</li>`,
        )}
      </ul>
    </div>`}
  </div>`;
}

function Failures({ failed }) {
  const byReason = Map.groupBy(failed, ({ error }) => error.message);
  return html`<ul class="failures">
    ${[...byReason].map(
      ([reason, those]) => html`<li>
        <strong>${those.length === 1 ? (those[0].row.event ?? those[0].row.upstreamId) : count(those.length, "delivery", "deliveries")}</strong>
        ${" "}${reason}
      </li>`,
    )}
  </ul>`;
}
