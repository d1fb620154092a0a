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

  // A link may hold the operation of another tab, after the # so that no server sees it.
  const linked = new URLSearchParams(location.hash.slice(1));
  const tabs = JSON.parse(examples).map((query) => ({ query }));
  if (linked.has("query")) {
    tabs.unshift({ query: linked.get("query"), variables: linked.get("variables") ?? "" });
  }

  if (window.GraphiQL) {
    const fetcher = GraphiQL.createFetcher({ url });
    ReactDOM.createRoot(container).render(
      React.createElement(
        GraphiQL,
        {
          fetcher: (request, options) => fetcher(withKnownName(request), options),
          defaultTabs: tabs,
          // Without it, GraphiQL shows the tabs of the last visit instead.
          storage: linked.has("query") ? null : undefined,
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
