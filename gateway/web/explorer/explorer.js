"use strict";

{
  // GraphiQL's dialogs add a style element with the nonce in this webpack global.
  window.__webpack_nonce__ = document.currentScript.nonce;

  const container = document.getElementById("explorer");
  const { url, examples } = container.dataset;

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

  if (window.GraphiQL) {
    const fetcher = GraphiQL.createFetcher({ url });
    ReactDOM.createRoot(container).render(
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
  } else {
    container.textContent =
      "GraphiQL could not be loaded: this browser did not get its files, or others than the " +
      "gateway expects. If they come from a CDN that it can't reach, install the gateway again on " +
      "a machine with Node.js and npm; the gateway then serves them itself.";
  }
}
