"use strict";

{
  // GraphiQL's dialogs add a style element, and take its nonce from this webpack global.
  window.__webpack_nonce__ = document.currentScript.nonce;

  const container = document.getElementById("explorer");
  const { url, examples } = container.dataset;
  if (window.GraphiQL) {
    ReactDOM.createRoot(container).render(
      React.createElement(
        GraphiQL,
        {
          fetcher: GraphiQL.createFetcher({ url }),
          defaultTabs: JSON.parse(examples).map((query) => ({ query })),
          defaultEditorToolsVisibility: false,
        },
        React.createElement(GraphiQL.Logo, null, document.title),
      ),
    );
  } else {
    container.textContent =
      "GraphiQL could not be loaded. With Node.js and npm on the gateway's machine, install the " +
      "gateway again: it then serves GraphiQL itself.";
  }
}
