// The lint of schema.graphql: eslint --config tests/node/eslint.config.mjs schema.graphql

import graphql from "@graphql-eslint/eslint-plugin";

const { rules: recommended } = graphql.configs["flat/schema-recommended"];
const { rules: relay } = graphql.configs["flat/schema-relay"];
const [, convention] = recommended["@graphql-eslint/naming-convention"];
const [, description] = recommended["@graphql-eslint/require-description"];

// Names that federation's specification prescribes.
const ofFederation = "^(_Any|_Entity|_Service|_entities|_service|federation__FieldSet|link__.*)$";

export default [
  {
    files: ["**/*.graphql"],
    plugins: { "@graphql-eslint": graphql },
    languageOptions: {
      parser: graphql.parser,
      parserOptions: { graphQLConfig: { schema: "schema.graphql" } },
    },
    rules: {
      ...recommended,
      ...relay,
      "@graphql-eslint/naming-convention": [
        "error",
        {
          ...convention,
          types: { style: convention.types, ignorePattern: ofFederation },
          FieldDefinition: { style: convention.FieldDefinition, ignorePattern: ofFederation },
          allowLeadingUnderscore: true,
        },
      ],
      "@graphql-eslint/require-description": [
        "error",
        {
          ...description,
          // The directives and their enum come from federation.
          DirectiveDefinition: false,
          ignoredSelectors: ["[name.value=/^link__/]"],
        },
      ],
      "@graphql-eslint/strict-id-in-types": [
        "error",
        {
          exceptions: {
            // Pages, outcomes and parts of a log have no identity of their own.
            suffixes: ["Connection", "Edge", "Payload", "Details"],
            types: [
              "_Service",
              "Attempt",
              "AvailableAction",
              "CacheState",
              "DurationStats",
              "Failure",
              "FailureGroups",
              "Freshness",
              "Granted",
              "HttpHeader",
              "HttpRequest",
              "HttpResponse",
              "PageInfo",
              "RecentCalls",
              "SourceError",
              "SourceHealth",
              "SourceReport",
              "Viewer",
              "WebhookLogStats",
              "WebhookLogStatsBucket",
              "WebhookLogStatsGroup",
              // Errors of a mutation.
              "ActionNotSupported",
              "IdempotencyKeyReused",
              "InvalidInput",
              "NotAuthorized",
              "NotFound",
              "OutcomeUnknown",
              "UpstreamRejected",
              "UpstreamUnavailable",
            ],
          },
        },
      ],
      // The journal and the hooks of a source have forward paging only.
      "@graphql-eslint/relay-arguments": ["error", { includeBoth: false }],
      "@graphql-eslint/relay-edge-types": [
        "error",
        {
          // Connections also list their nodes; short lists need no connection.
          listTypeCanWrapOnlyEdgeType: false,
          // Actions are read in the journal, not by id.
          shouldImplementNode: false,
        },
      ],
    },
  },
];
