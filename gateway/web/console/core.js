// Preact with htm, whose templates are tagged literals, so that nothing has to be compiled; and
// values that components observe.
import { useLayoutEffect, useReducer } from "./htm-preact.mjs";

export { html, render, useEffect, useLayoutEffect, useMemo, useReducer, useRef, useState } from "./htm-preact.mjs";

export function observable(initial) {
  let value = initial;
  const watchers = new Set();
  return {
    get value() {
      return value;
    },
    set value(next) {
      if (Object.is(value, next)) return;
      value = next;
      for (const watcher of [...watchers]) watcher(value);
    },
    watch(watcher) {
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
  };
}

/** Return the value of an observable, and render the component again when it changes. */
export function useObservable(source) {
  const [, again] = useReducer((count) => count + 1, 0);
  const shown = source.value;
  useLayoutEffect(() => {
    if (!Object.is(source.value, shown)) again();
    return source.watch(again);
  }, [source]);
  return shown;
}

/** Render the component again every so many milliseconds, for times such as "3 min ago". */
export function useTick(period) {
  const [, again] = useReducer((count) => count + 1, 0);
  useLayoutEffect(() => {
    const timer = setInterval(again, period);
    return () => clearInterval(timer);
  }, [period]);
}

export const classes = (...names) => names.filter(Boolean).join(" ");

// What the browser remembers. Where storage is blocked, it lasts as long as the page.

const PREFIX = "webhook-logs.";

/** Return a storage of the browser whose methods do nothing where it is blocked or full. */
function storage(name) {
  const attempt = (run) => {
    try {
      return run(window[name]) ?? null;
    } catch {
      return null;
    }
  };
  return {
    get: (key) => attempt((held) => held.getItem(PREFIX + key)),
    set: (key, text) =>
      attempt((held) => (text === null ? held.removeItem(PREFIX + key) : held.setItem(PREFIX + key, text))),
  };
}

const device = storage("localStorage");
const tab = storage("sessionStorage");

function preference(name, fallback) {
  const read = (text) => {
    try {
      return JSON.parse(text) ?? fallback;
    } catch {
      return fallback;
    }
  };
  const held = observable(read(device.get(name)));
  held.watch((value) => device.set(name, JSON.stringify(value)));
  addEventListener("storage", (event) => {
    if (event.key === PREFIX + name) held.value = read(event.newValue);
  });
  return held;
}

/** "local" or "utc": the zone in which times are shown. */
export const zone = preference("zone", "local");
/** Whether single keys are shortcuts (WCAG 2.1.4). */
export const shortcuts = preference("shortcuts", true);
/** The caller's own views of the list: name and query. */
export const views = preference("views", []);

let key = tab.get("key") ?? device.get("key");

export const credential = () => key;

export const isRemembered = () => device.get("key") !== null;

/** Keep a key for this tab, or for this device; null forgets it. */
export function keepCredential(text, remember) {
  key = text;
  tab.set("key", remember ? null : text);
  device.set("key", remember ? text : null);
}

// What is shown stands in the query of the URL, so that it survives a reload and can be sent to
// others. The key never does.

const fromAddress = () => new URLSearchParams(location.search);

/** The parameters of the URL; never changed in place. */
export const route = observable(fromAddress());

addEventListener("popstate", () => {
  route.value = fromAddress();
});

const SCREENS = ["overview", "deliveries", "journal"];

export function screenOf(parameters) {
  const view = parameters.get("view");
  return SCREENS.includes(view) ? view : SCREENS[0];
}

/** Return the parameters with changes: a text, a list of texts, or null to remove one. */
export function changed(parameters, changes) {
  const next = new URLSearchParams(parameters);
  for (const [name, value] of Object.entries(changes)) {
    next.delete(name);
    for (const one of [value ?? []].flat()) next.append(name, one);
  }
  return next;
}

export const address = (parameters) => `?${parameters}`;

/** Show what the parameters say. Unless it replaces the current entry, Back leads here again. */
export function go(parameters, { replace = false } = {}) {
  if (String(parameters) === String(route.value)) return;
  history[replace ? "replaceState" : "pushState"](null, "", address(parameters));
  route.value = parameters;
}

export const update = (changes, options) => go(changed(route.value, changes), options);

/** The properties of a link that stays in the page; other clicks open it as usual. */
export const to = (parameters) => ({
  href: address(parameters),
  onClick(event) {
    if (event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    go(parameters);
  },
});

// The GraphQL client. It sends the ids of documents, so that it also works where a gateway executes
// trusted documents only.

const { documents, endpoint } = document.body.dataset;
const TIMEOUT = 60_000;

/**
 * Why a request failed. The kind is one of
 * - "locked": no key, or one that is not accepted
 * - "throttled": too many requests, or too many wrong keys
 * - "unreachable": no answer of the gateway
 * - "outdated": the gateway has other documents than this page
 * - "failed": any other error, with the code of the gateway
 */
export class GatewayError extends Error {
  constructor(kind, message, { code = null, requestId = null } = {}) {
    super(message);
    Object.assign(this, { kind, code, requestId });
  }
}

let onLocked = () => {};

/** Call a function with the error whenever the key is missing, wrong or expired. */
export function whenLocked(listener) {
  onLocked = listener;
}

/** Keep a number as it is written: JavaScript rounds those above 2^53. */
export const asWritten = (_, value, context) =>
  typeof value === "number" && JSON.rawJSON ? JSON.rawJSON(context.source) : value;

/** Execute a document by its name; return its data and errors. Throws GatewayError without data. */
export async function execute(name, variables = {}, { signal, reviver } = {}) {
  const headers = { "Content-Type": "application/json", Accept: "application/json" };
  if (credential()) headers.Authorization = `Bearer ${credential()}`;
  const timeout = AbortSignal.timeout(TIMEOUT);
  let response;
  let body;
  try {
    response = await fetch(endpoint, {
      method: "POST",
      headers,
      body: JSON.stringify({ documentId: `${documents}-${name}`, operationName: name, variables }),
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      redirect: "error",
      cache: "no-store",
    });
    body = JSON.parse(await response.text(), reviver);
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new GatewayError("unreachable", reasonOf(error, response));
  }
  if (body?.data == null) {
    const error = refusal(response, body?.errors?.[0]);
    if (error.kind === "locked") onLocked(error);
    throw error;
  }
  return { data: body.data, errors: body.errors ?? [] };
}

/** Execute a document and return one field of its data. Throws GatewayError if it is null. */
export async function read(name, variables, field, options) {
  const { data, errors } = await execute(name, variables, options);
  if (data[field] == null) throw failure(errors[0]);
  return data[field];
}

export async function documentText(name) {
  const response = await fetch(new URL(`${name}.graphql`, import.meta.url));
  return response.text();
}

function reasonOf(error, response) {
  if (error.name === "TimeoutError") return "The gateway did not answer within a minute.";
  if (response) return `Something answered with ${response.status}, but it is not the gateway.`;
  return "The gateway can't be reached. Is it running, and is this machine online?";
}

function refusal(response, error) {
  const { code } = error?.extensions ?? {};
  const unknown = code === "DOCUMENT_NOT_TRUSTED" || (response.status === 400 && code === "BAD_REQUEST");
  if (unknown)
    return new GatewayError("outdated", "The gateway has another version now. Load the page again.");
  return failure(error, { 401: "locked", 429: "throttled" }[response.status]);
}

function failure(error, kind = "failed") {
  const { code = null, requestId = null } = error?.extensions ?? {};
  return new GatewayError(kind, error?.message ?? "The gateway gave no data.", { code, requestId });
}

// Who the caller is, and what it may do.

/** The caller and its sources; null until the gateway has told. */
export const me = observable(null);

export async function loadMe() {
  const { data } = await execute("Me");
  me.value = { viewer: data.viewer, sources: data.sources };
}

/** Return whether the caller has at least this role for a source, or for any source. */
export function mayAct(role, source = null) {
  const needed = ROLES.indexOf(role);
  return (me.value?.viewer.grants ?? []).some(
    (grant) =>
      ROLES.indexOf(grant.role) >= needed &&
      (source === null || grant.sources === null || grant.sources.includes(source)),
  );
}

export function highestRole() {
  return ROLES.findLast((role) => mayAct(role)) ?? null;
}

// The schema's enums in words, and what helps against a failure.

export const STATUSES = {
  SUCCEEDED: { name: "Succeeded", icon: "check", tone: "good" },
  FAILED: { name: "Failed", icon: "cross", tone: "bad" },
  PENDING: { name: "Pending", icon: "clock", tone: "wait" },
  CANCELLED: { name: "Cancelled", icon: "slash", tone: "calm" },
  UNKNOWN: { name: "Unknown", icon: "question", tone: "calm" },
};

export const CATEGORIES = {
  TIMEOUT: "Timeout",
  DNS: "DNS",
  CONNECTION: "Connection",
  TLS: "TLS",
  REDIRECT: "Redirect",
  HTTP_CLIENT_ERROR: "Client error",
  HTTP_SERVER_ERROR: "Server error",
  NO_RESPONSE: "No response",
  UNKNOWN: "Unknown",
};

const ROLES = ["VIEWER", "READER", "OPERATOR", "ADMIN"];

/** Return an enum's value in words: HTTP_CLIENT_ERROR as Http client error. */
export function words(value) {
  const text = value.toLowerCase().replaceAll("_", " ");
  return text[0].toUpperCase() + text.slice(1);
}

/** Return a kind of system as a title: each word with a capital. */
export const title = (value) =>
  value
    .toLowerCase()
    .replace(/(^git(?=hub|lab)|^code(?=arts)|_)(.)/g, (_, before, letter) => before.replace("_", " ") + letter.toUpperCase())
    .replace(/^./, (letter) => letter.toUpperCase());

/** Return the host of a URL, or the URL if it has none. */
export function hostOf(url) {
  return url?.match(/^[a-z][\w+.-]*:\/\/(?:[^@/?#]*@)?([^/?#]+)/i)?.[1] ?? url ?? "";
}

export const digits = (number) => number.toLocaleString("en-GB");

export const count = (number, noun, plural = `${noun}s`) =>
  `${digits(number)} ${number === 1 ? noun : plural}`;

const HELP = {
  TIMEOUT: [
    "The receiver did not respond in time.",
    "See whether it is up and how long it takes; it should answer first and work afterwards.",
  ],
  DNS: [
    "The receiver's host name could not be resolved.",
    "Check the host in the webhook's URL, and its DNS records.",
  ],
  CONNECTION: [
    "The connection to the receiver failed or broke off.",
    "See whether the receiver runs and lets the sender in: port, firewall, load balancer.",
  ],
  TLS: [
    "The TLS handshake failed, or the receiver's certificate was rejected.",
    "Check the certificate's date, chain and host name.",
  ],
  REDIRECT: [
    "The receiver answered with a redirect, which senders do not follow.",
    "Set the webhook's URL to the final address.",
  ],
  NO_RESPONSE: [
    "The vendor recorded no response, and no reason.",
    "Look for the delivery in the receiver's own log.",
  ],
  UNKNOWN: ["The gateway does not recognise the reason.", "The vendor's message says more."],
};

const BY_CODE = {
  401: "Check the secret or token that the webhook sends.",
  403: "Check the receiver's permissions, and its list of allowed addresses.",
  404: "Check the webhook's URL: the receiver has nothing at this address.",
  410: "This address is gone for good: change the webhook's URL, or remove it.",
  413: "Raise the receiver's limit for bodies, or send less.",
  429: "Wait before sending it again, and send more slowly.",
};

/** Return why a delivery failed and what to do about it, one sentence each. */
export function explain(category, code) {
  if (category === "HTTP_CLIENT_ERROR")
    return [
      `The receiver refused the delivery${code ? ` with ${code}` : ""}.`,
      BY_CODE[code] ?? "The receiver does not accept this request: compare it with what it expects.",
    ];
  if (category === "HTTP_SERVER_ERROR")
    return [
      `The receiver failed${code ? ` with ${code}` : ""} while handling the delivery.`,
      "Look into the receiver's log at that time.",
    ];
  return HELP[category] ?? HELP.UNKNOWN;
}

// Times as people read them, in the chosen zone.

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const FORMS = {
  clock: { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" },
  minute: { hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
  day: { weekday: "short", day: "numeric", month: "short" },
  date: { day: "numeric", month: "short" },
  full: {
    day: "numeric",
    month: "short",
    year: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    fractionalSecondDigits: 3,
    hourCycle: "h23",
    timeZoneName: "short",
  },
};
const made = new Map();

function formatted(form, ms) {
  const utc = zone.value === "utc";
  const name = form + utc;
  if (!made.has(name)) {
    const options = { ...FORMS[form], ...(utc && { timeZone: "UTC" }) };
    made.set(name, new Intl.DateTimeFormat("en-GB", options));
  }
  return made.get(name).format(ms);
}

export const clock = (ms) => formatted("clock", ms);
export const minute = (ms) => formatted("minute", ms);
export const date = (ms) => formatted("date", ms);
/** Return 29 Nov 2026, 12:30:36.431 UTC. */
export const full = (ms) => formatted("full", ms);
/** Return the same without milliseconds. */
export const second = (ms) => full(ms).replace(/\.\d+/, "");

/** Return a number that is the same for all times of one day. */
export function dayOf(ms) {
  if (Number.isNaN(ms)) return -1;
  if (zone.value === "utc") return Math.floor(ms / DAY);
  const at = new Date(ms);
  return (at.getFullYear() * 12 + at.getMonth()) * 31 + at.getDate();
}

/** Return Today, Yesterday, or Thu, 27 Nov. */
export function dayName(ms, now = Date.now()) {
  if (Number.isNaN(ms)) return "Without a time";
  if (dayOf(ms) === dayOf(now)) return `Today, ${date(ms)}`;
  if (dayOf(ms) === dayOf(now - DAY)) return `Yesterday, ${date(ms)}`;
  return formatted("day", ms);
}

/** Return 4 s, 3 min, 5 h or 2 d. */
export function ago(ms, now = Date.now()) {
  const passed = Math.max(0, now - ms);
  if (passed < MINUTE) return `${Math.floor(passed / SECOND)} s`;
  if (passed < HOUR) return `${Math.floor(passed / MINUTE)} min`;
  if (passed < DAY) return `${Math.floor(passed / HOUR)} h`;
  return `${Math.floor(passed / DAY)} d`;
}

/** Return 593 ms, 1.25 s or 2 min. */
export function duration(ms) {
  if (ms == null) return "";
  if (ms < 1000) return `${ms < 10 ? Number(ms.toFixed(1)) : Math.round(ms)} ms`;
  if (ms < MINUTE) return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
  return `${(ms / MINUTE).toFixed(1)} min`;
}

/** Return Unix milliseconds of the gateway's text; NaN for null. */
export const parse = (text) => (text ? Date.parse(text) : NaN);

export function zoneName() {
  if (zone.value === "utc") return "UTC";
  const parts = new Intl.DateTimeFormat("en-GB", { timeZoneName: "short" }).formatToParts();
  return parts.find((part) => part.type === "timeZoneName").value;
}
