// What the browser remembers. Where storage is blocked, it lasts as long as the page.
import { observable } from "./lib.js";

const PREFIX = "webhook-logs.";

function preference(name, fallback) {
  const key = PREFIX + name;
  const read = (text) => {
    try {
      return text === null ? fallback : JSON.parse(text);
    } catch {
      return fallback;
    }
  };
  const held = observable(read(fetchItem(localStorageOrNull(), key)));
  held.watch((value) => storeItem(localStorageOrNull(), key, JSON.stringify(value)));
  addEventListener("storage", (event) => {
    if (event.key === key) held.value = read(event.newValue);
  });
  return held;
}

function localStorageOrNull() {
  try {
    return localStorage;
  } catch {
    return null;
  }
}

function sessionStorageOrNull() {
  try {
    return sessionStorage;
  } catch {
    return null;
  }
}

function fetchItem(storage, key) {
  try {
    return storage?.getItem(key) ?? null;
  } catch {
    return null;
  }
}

function storeItem(storage, key, text) {
  try {
    if (text === null) storage?.removeItem(key);
    else storage?.setItem(key, text);
  } catch {
    // Full or blocked: the value lasts as long as the page.
  }
}

/** "local" or "utc": the zone in which times are shown. */
export const zone = preference("zone", "local");
/** Whether single keys are shortcuts (WCAG 2.1.4). */
export const shortcuts = preference("shortcuts", true);
/** The caller's own views of the list: name and query. */
export const views = preference("views", []);

const KEY = PREFIX + "key";
let key = fetchItem(sessionStorageOrNull(), KEY) ?? fetchItem(localStorageOrNull(), KEY);

/** Return the API key or token of the caller; null without one. */
export const credential = () => key;

/** Whether the key is kept when the browser is closed. */
export const isRemembered = () => fetchItem(localStorageOrNull(), KEY) !== null;

/** Keep a key for this tab, or for this device if it is to be remembered. */
export function keepCredential(text, remember) {
  key = text;
  storeItem(sessionStorageOrNull(), KEY, remember ? null : text);
  storeItem(localStorageOrNull(), KEY, remember ? text : null);
}

/** Forget the key everywhere in this browser. */
export function forgetCredential() {
  key = null;
  storeItem(sessionStorageOrNull(), KEY, null);
  storeItem(localStorageOrNull(), KEY, null);
}
