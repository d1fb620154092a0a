"use strict";

{
  // GraphiQL's dialogs add a style element with the nonce in this webpack global.
  window.__webpack_nonce__ = document.currentScript.nonce;

  const element = (id) => document.getElementById(id);
  const container = element("explorer");
  const { url, examples } = container.dataset;

  // The key has the name and the places that it has in the console, so that both share it: for this
  // tab, or for this device.

  const KEY = "webhook-logs.key";

  const stored = (storage) => {
    try {
      return window[storage].getItem(KEY);
    } catch {
      return null; // the browser blocks storage
    }
  };

  const store = (storage, key) => {
    try {
      if (key) window[storage].setItem(KEY, key);
      else window[storage].removeItem(KEY);
    } catch {
      // The key lasts as long as the page.
    }
  };

  let current = null;
  const heldKey = () => stored("sessionStorage") ?? stored("localStorage") ?? current;

  const keep = (key, remember) => {
    current = key;
    store("sessionStorage", remember ? null : key);
    store("localStorage", remember ? key : null);
    showKey();
    show();
  };

  const showKey = () => {
    element("key-button").textContent = heldKey() ? "API key is set" : "API key";
    element("key-forget").hidden = !heldKey();
  };

  const dialog = element("key");
  const form = dialog.querySelector("form");

  const askForKey = (reason) => {
    element("key-reason").textContent = reason;
    form.elements.remember.checked = stored("localStorage") !== null;
    if (!dialog.open) dialog.showModal();
    form.elements.key.focus();
  };

  element("key-button").addEventListener("click", () => askForKey(""));
  element("key-cancel").addEventListener("click", () => dialog.close());
  element("key-forget").addEventListener("click", () => {
    dialog.close();
    keep(null, false);
  });
  dialog.addEventListener("close", () => form.reset());
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const key = form.elements.key.value.trim().replace(/^Bearer\s+/i, "");
    const remember = form.elements.remember.checked;
    if (!key) return;
    dialog.close();
    keep(key, remember);
  });

  /** Send a request with the key, unless the headers of the tab have another credential. */
  const send = async (address, options) => {
    const headers = new Headers(options.headers);
    const hasOwn = headers.has("Authorization") || headers.has("X-API-Key");
    const key = heldKey();
    if (key && !hasOwn) headers.set("Authorization", `Bearer ${key}`);
    const response = await fetch(address, { ...options, headers });
    if (response.status === 401 && !hasOwn) {
      const { errors } = await response.clone().json();
      askForKey(errors[0].message);
    }
    return response;
  };

  // GraphiQL looks for the operation's name a moment after each edit. Until then it sends the name
  // that was there before.
  const withKnownName = (request) => {
    let names;
    try {
      names = GraphiQL.GraphQL.parse(request.query)
        .definitions.filter(({ kind }) => kind === "OperationDefinition")
        .map(({ name }) => name?.value);
    } catch {
      names = []; // the gateway explains the syntax error
    }
    if (names.includes(request.operationName)) {
      return request;
    }
    const { operationName, ...rest } = request;
    return rest;
  };

  // A link may hold an operation, after the # so that no server sees it. It gets a tab beside those
  // of the last visit.
  const hash = new URLSearchParams(location.hash.slice(1));
  const linked = hash.has("query")
    ? { query: hash.get("query"), variables: hash.get("variables") ?? "" }
    : {};
  const tabs = JSON.parse(examples).map((query) => ({ query }));

  let root = null;

  /** Show GraphiQL. With each new fetcher it reads the schema again. */
  const show = () => {
    const fetcher = GraphiQL.createFetcher({ url, fetch: send });
    root ??= ReactDOM.createRoot(container);
    root.render(
      React.createElement(
        GraphiQL,
        {
          fetcher: (request, options) => fetcher(withKnownName(request), options),
          ...linked,
          defaultTabs: linked.query ? [linked, ...tabs] : tabs,
          defaultEditorToolsVisibility: false,
        },
        React.createElement(GraphiQL.Logo, null, document.title),
      ),
    );
  };

  if (window.GraphiQL) {
    showKey();
    show();
  } else {
    container.textContent =
      "GraphiQL could not be loaded: this browser did not get its files, or others than the " +
      "gateway expects. If they come from a CDN that it can't reach, install the gateway again on " +
      "a machine with Node.js and npm; the gateway then serves them itself.";
  }
}
