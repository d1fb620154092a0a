// The GraphQL client. It sends the ids of documents, so that it also works where a gateway executes
// trusted documents only.
import { credential } from "./preferences.js";

const { documents, endpoint } = document.body.dataset;
const IDS = JSON.parse(documents);
const TIMEOUT = 60_000;

/**
 * Why a request failed. The kind is one of
 * - "locked": no key, or one that is not accepted
 * - "throttled": too many requests, or too many wrong keys
 * - "unreachable": no answer of the gateway
 * - "outdated": the gateway has other documents than this page
 * - "failed": any other error, with the code of the gateway
 */
export class GatewayError extends Error {
  constructor(kind, message, { code = null, requestId = null, wait = null } = {}) {
    super(message);
    Object.assign(this, { kind, code, requestId, wait });
  }
}

let onLocked = () => {};

/** Call a function with the error whenever the key is missing, wrong or expired. */
export function whenLocked(listener) {
  onLocked = listener;
}

/** Execute a document by its name; return its data and errors. Throws GatewayError without data. */
export async function execute(name, variables = {}, { signal } = {}) {
  const headers = { "Content-Type": "application/json", Accept: "application/json" };
  if (credential()) headers.Authorization = `Bearer ${credential()}`;
  const timeout = AbortSignal.timeout(TIMEOUT);
  let response;
  let body;
  try {
    response = await fetch(endpoint, {
      method: "POST",
      headers,
      body: JSON.stringify({ documentId: IDS[name], operationName: name, variables }),
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      redirect: "error",
      cache: "no-store",
    });
    body = await response.json();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new GatewayError("unreachable", reasonOf(error, response));
  }
  if (body?.data == null) {
    const error = refusal(response, body?.errors?.[0]);
    if (error.kind === "locked") onLocked(error);
    throw error;
  }
  return { data: body.data, errors: body.errors ?? [] };
}

/** Execute a document and return one field of its data. Throws GatewayError if it is null. */
export async function read(name, variables, field, options) {
  const { data, errors } = await execute(name, variables, options);
  if (data[field] == null) throw failure(errors[0]);
  return data[field];
}

/** Return the text of a document, for showing it in GraphiQL. */
export async function documentText(name) {
  const response = await fetch(new URL(`${name}.graphql`, import.meta.url));
  return response.text();
}

function reasonOf(error, response) {
  if (error.name === "TimeoutError") return "The gateway did not answer within a minute.";
  if (response) return `Something answered with ${response.status}, but it is not the gateway.`;
  return "The gateway can't be reached. Is it running, and is this machine online?";
}

function refusal(response, error) {
  const wait = Number(response.headers.get("Retry-After")) || null;
  const { code } = error?.extensions ?? {};
  const unknown = code === "DOCUMENT_NOT_TRUSTED" || (response.status === 400 && code === "BAD_REQUEST");
  if (unknown)
    return new GatewayError("outdated", "The gateway has another version now. Load the page again.");
  return failure(error, { 401: "locked", 429: "throttled" }[response.status], wait);
}

function failure(error, kind = "failed", wait = null) {
  const { code = null, requestId = null } = error?.extensions ?? {};
  return new GatewayError(kind, error?.message ?? "The gateway gave no data.", {
    code,
    requestId,
    wait,
  });
}
