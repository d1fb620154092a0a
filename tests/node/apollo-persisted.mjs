// Runs a persisted query twice with Apollo Client, and prints the requests and responses:
// node apollo-persisted.mjs <module that exports the client>

import { createHash } from "node:crypto";
import { pathToFileURL } from "node:url";

import { gql } from "@apollo/client";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";

const sent = [];
const { fetch } = globalThis;
globalThis.fetch = (url, options) => {
  const { searchParams } = new URL(url);
  const asked = options.body ? JSON.parse(options.body) : Object.fromEntries(searchParams);
  sent.push([options.method, Object.keys(asked).sort()]);
  return fetch(url, options);
};

const { client } = await import(pathToFileURL(process.argv[2]));
const sha256 = (text) => createHash("sha256").update(text).digest("hex");
const hashes = new PersistedQueryLink({ sha256, useGETForHashedQueries: true });
client.setLink(hashes.concat(client.link));

const query = gql`query Newest($first: Int) { webhookLogs(first: $first) { nodes { id } } }`;
const lists = [];
for (const first of [2, 3]) {
  const { data } = await client.query({ query, variables: { first }, fetchPolicy: "no-cache" });
  lists.push(data.webhookLogs.nodes.map(({ id }) => id));
}
console.log(JSON.stringify({ sent, lists }));
client.stop();
