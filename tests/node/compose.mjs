// Composes a supergraph and prints it: node compose.mjs <name>=<url>=<file> ...

import { readFileSync } from "node:fs";

import { composeServices } from "@apollo/composition";
import { parse } from "graphql";

const subgraphs = process.argv.slice(2).map((argument) => {
  const [name, url, file] = argument.split("=");
  return { name, url, typeDefs: parse(readFileSync(file, "utf8")) };
});
const { errors, supergraphSdl } = composeServices(subgraphs);
if (errors) {
  console.error(errors.map((error) => error.message).join("\n"));
  process.exit(1);
}
console.log(supergraphSdl);
