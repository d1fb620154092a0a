// The lint of schema.graphql: eslint --config tests/node/eslint.config.mjs schema.graphql

import graphql from "@graphql-eslint/eslint-plugin";

const { rules: recommended } = graphql.configs["flat/schema-recommended"];
const { rules: relay } = graphql.configs["flat/schema-relay"];
const [, convention] = recommended["@graphql-eslint/naming-convention"];
const [, description] = recommended["@graphql-eslint/require-description"];

// What a subgraph must have is named by federation's specification.
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
          // The directives are federation's, and so is their enum.
          DirectiveDefinition: false,
          ignoredSelectors: ["[name.value=/^link__/]"],
        },
      ],
      "@graphql-eslint/strict-id-in-types": [
        "error",
        {
          exceptions: {
            // They are where they are, and nothing by themselves: pages, outcomes, parts of a log.
            suffixes: ["Connection", "Edge", "Payload", "Details"],
            types: [
              "_Service",
              "AvailableAction",
              "CacheState",
              "Failure",
              "Freshness",
              "Granted",
              "HttpHeader",
              "HttpRequest",
              "HttpResponse",
              "PageInfo",
              "SourceError",
              "SourceHealth",
              "SourceReport",
              "Viewer",
              // The user errors of a mutation.
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
      // The journal and the hooks of a source are read forward only.
      "@graphql-eslint/relay-arguments": ["error", { includeBoth: false }],
      "@graphql-eslint/relay-edge-types": [
        "error",
        {
          // A connection has its nodes as a plain list, too, and what is bounded is no connection.
          listTypeCanWrapOnlyEdgeType: false,
          // An action is read in the journal, not by its id.
          shouldImplementNode: false,
        },
      ],
    },
  },
];
