// What the types of the documented queries know. It is compiled only.

import type { UnreachableQuery, NextQuery, NextQueryVariables } from "./src/gql/graphql";

declare const unreachable: UnreachableQuery;
declare const next: NextQuery;

type Moment = string | null | undefined;

export const moments: Moment[] = unreachable.webhookLogs.nodes.map((log) => log.triggeredAt);
export const ids: string[] = next.webhookLogs.nodes.map((log) => log.id);
export const variables: NextQueryVariables = { after: next.webhookLogs.pageInfo.endCursor };

// @ts-expect-error - it may be null
export const count: number = next.webhookLogs.totalCount;
// @ts-expect-error - it was not selected
export const status = next.webhookLogs.nodes[0].status;
