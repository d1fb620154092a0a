// Pages through two lists with Apollo Client, and prints the ids merged in its cache:
// node apollo-client.mjs <module that exports the client> <source of the other list>

import { pathToFileURL } from "node:url";

import { gql } from "@apollo/client";

const [module, source] = process.argv.slice(2);
const { client } = await import(pathToFileURL(module));

const query = gql`
  query Page($after: String, $filter: WebhookLogFilter) {
    webhookLogs(first: 5, after: $after, filter: $filter) {
      edges { node { id } }
      pageInfo { hasNextPage endCursor }
    }
  }
`;

async function joined(variables) {
  let { data } = await client.query({ query, variables });
  const list = client.watchQuery({ query, variables });
  const watching = list.subscribe(() => {});
  for (let page = 1; page < 3; page++) {
    await list.fetchMore({ variables: { after: data.webhookLogs.pageInfo.endCursor } });
    data = client.readQuery({ query, variables });
  }
  watching.unsubscribe();
  return data.webhookLogs.edges.map(({ node }) => node.id);
}

const lists = [await joined({}), await joined({ filter: { source: { eq: source } } })];
console.log(JSON.stringify(lists));
client.stop();
