import { defineConfig, useHttpCache } from '@graphql-hive/gateway';

// "response,http", "http" or nothing.
const caches = (process.env.HIVE_CACHES ?? '').split(',').filter(Boolean);

export const gatewayConfig = defineConfig({
  supergraph: process.env.HIVE_SUPERGRAPH,
  host: '127.0.0.1',
  port: Number(process.env.PORT),
  fork: Number(process.env.HIVE_WORKERS),
  logging: 'error',
  graphiql: false,
  landingPage: false,
  // The response cache does not work with it, and its hits need no execution.
  jit: !caches.includes('response'),
  // Outside a browser `localforage` is an LRU cache in memory.
  ...(caches.length ? { cache: { type: 'localforage' as const } } : {}),
  ...(caches.includes('response')
    ? { responseCaching: { session: () => null, ttl: 3_600_000, idFields: [], invalidateViaMutation: false } }
    : {}),
  plugins: context => (caches.includes('http') ? [useHttpCache(context)] : []),
});
