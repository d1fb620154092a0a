// Runs a short and a long query with urql, and prints the requests and responses:
// node urql.mjs <module that exports the client>

import { pathToFileURL } from "node:url";

import { gql } from "@urql/core";

const methods = [];
const { fetch } = globalThis;
globalThis.fetch = (url, options) => {
  methods.push(options.method);
  return fetch(url, options);
};

const { client } = await import(pathToFileURL(process.argv[2]));
const short = gql`query ($first: Int) { webhookLogs(first: $first) { nodes { id } } }`;
const names = Array.from({ length: 90 }, (_, index) => `another_name_of_the_id_${index}: id`).join(" ");
const long = gql`query ($id: ID!) { webhookLog(id: $id) { id ${names} } }`;

const listed = await client.query(short, { first: 2 }).toPromise();
const one = await client.query(long, { id: listed.data.webhookLogs.nodes[0].id }).toPromise();
const refused = await client.query(short, { first: -1 }).toPromise();
console.log(
  JSON.stringify({
    methods,
    listed: listed.data.webhookLogs.nodes.map(({ id }) => id),
    one: one.data.webhookLog.id,
    refused: refused.error.graphQLErrors[0].extensions.code,
  }),
);
