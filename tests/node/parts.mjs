// Queries a response in parts, and prints its first and its last state:
// node parts.mjs <module that exports a client of Apollo or urql>

import { pathToFileURL } from "node:url";

import { gql } from "@apollo/client";

let type;
const { fetch } = globalThis;
globalThis.fetch = async (url, options) => {
  const response = await fetch(url, options);
  type = response.headers.get("content-type");
  return response;
};

const { client } = await import(pathToFileURL(process.argv[2]));
const query = gql`
  query Parts { sources { name ... @defer { logs(first: 2) { edges { node { id } } } } } }
`;

const states = [];
await new Promise((resolve, reject) => {
  const see = ({ data, error, hasNext, dataState }) => {
    if (error) reject(error);
    if (!data?.sources) return;
    states.push({
      names: data.sources.filter(({ name }) => name).length,
      logs: data.sources.flatMap(({ logs }) => logs?.edges ?? []).length,
    });
    if (hasNext === false || dataState === "complete") resolve();
  };
  if (client.watchQuery) {
    client.watchQuery({ query }).subscribe(see);
  } else {
    client.query(query, {}).subscribe(see);
  }
});
console.log(JSON.stringify({ type, first: states[0], last: states.at(-1) }));
client.stop?.();
