// The parts of which all screens are made: icons, buttons, dialogs, menus, messages.
import { classes, html, observable, useEffect, useLayoutEffect, useObservable, useRef } from "./lib.js";
import { STATUSES } from "./names.js";
import { parse, ago, full } from "./time.js";

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
  compare: "M8 2.4v11.2M5.8 5H2.4v6h3.4M10.2 5h3.4v6h-3.4",
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

/** A status as a shape, a colour and a word. */
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

/** A point in time: how long ago, and exactly on hover. */
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
export function Menu({ label, button, class: name, panelClass, children, onOpen }) {
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
      onClick=${() => {
        onOpen?.();
        panel.current.togglePopover();
      }}
    >
      ${button}
    </button>
    <div ref=${panel} popover class=${classes("menu", panelClass)} role="dialog" aria-label=${label} tabindex="-1">
      ${typeof children === "function" ? children(close) : children}
    </div>`;
}

/** A screen or a pane without content: what is the matter, and what one can do. */
export const Empty = ({ icon, title, children, actions, tone }) => html`
  <div class=${classes("empty", tone)}>
    <span class="empty-icon"><${Icon} name=${icon} size=${22} /></span>
    <h2>${title}</h2>
    <div class="empty-text">${children}</div>
    ${actions && html`<div class="row-of-buttons">${actions}</div>`}
  </div>
`;

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

/** The messages that are shown now, announced by screen readers. */
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

/** Copy a text and say so. */
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
