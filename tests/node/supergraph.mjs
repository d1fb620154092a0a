// Queries a supergraph of the gateway and of subgraphs in this process:
// node supergraph.mjs <file of the supergraph> <JSON of the other subgraphs' data> <query>

import { readFileSync } from "node:fs";

import { ApolloGateway, RemoteGraphQLDataSource } from "@apollo/gateway";
import { buildASTSchema, graphql, parse } from "graphql";

const [file, known, query] = process.argv.slice(2);
const rootValue = JSON.parse(known);

function inProcess(name) {
  const sdl = readFileSync(new URL(`${name}.graphql`, import.meta.url), "utf8");
  const schema = buildASTSchema(parse(sdl), { assumeValidSDL: true });
  return { process: ({ request }) => graphql({ schema, source: request.query, rootValue }) };
}

const gateway = new ApolloGateway({
  supergraphSdl: readFileSync(file, "utf8"),
  buildService: ({ name, url }) =>
    name === "logs" ? new RemoteGraphQLDataSource({ url }) : inProcess(name),
  logger: { debug() {}, info() {}, warn: console.error, error: console.error },
});
const { executor } = await gateway.load();
const result = await executor({
  request: { query, variables: {} },
  document: parse(query),
  queryHash: query,
  context: {},
  cache: new Map(),
  metrics: {},
});
await gateway.stop();
console.log(JSON.stringify(result));
