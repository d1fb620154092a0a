// The schema's enums in words, and what helps against a failure.

export const STATUSES = {
  SUCCEEDED: { name: "Succeeded", icon: "check", tone: "good" },
  FAILED: { name: "Failed", icon: "cross", tone: "bad" },
  PENDING: { name: "Pending", icon: "clock", tone: "wait" },
  CANCELLED: { name: "Cancelled", icon: "slash", tone: "calm" },
  UNKNOWN: { name: "Unknown", icon: "question", tone: "calm" },
};

export const CATEGORIES = {
  TIMEOUT: "Timeout",
  DNS: "DNS",
  CONNECTION: "Connection",
  TLS: "TLS",
  REDIRECT: "Redirect",
  HTTP_CLIENT_ERROR: "Client error",
  HTTP_SERVER_ERROR: "Server error",
  NO_RESPONSE: "No response",
  UNKNOWN: "Unknown",
};

export const ROLES = ["VIEWER", "READER", "OPERATOR", "ADMIN"];

/** Return an enum's value in words: HTTP_CLIENT_ERROR as Http client error. */
export function words(value) {
  const text = value.toLowerCase().replaceAll("_", " ");
  return text[0].toUpperCase() + text.slice(1);
}

/** Return a kind of system as a title: each word with a capital. */
export const title = (value) =>
  value
    .split("_")
    .map((word) => word[0] + word.slice(1).toLowerCase())
    .join(" ");

/** Return the host of a URL, or the URL if it has none. */
export function hostOf(url) {
  return url?.match(/^[a-z][\w+.-]*:\/\/(?:[^@/?#]*@)?([^/?#]+)/i)?.[1] ?? url ?? "";
}

/** Return a number as people read it: 1,112. */
export const digits = (number) => number.toLocaleString("en-GB");

/** Return a number with its noun in the singular or plural: 1 source, 2 sources. */
export const count = (number, noun, plural = `${noun}s`) =>
  `${digits(number)} ${number === 1 ? noun : plural}`;

const HELP = {
  TIMEOUT: [
    "The receiver did not respond in time.",
    "See whether the receiver is up and how long it takes; it should answer first and do its work afterwards.",
  ],
  DNS: [
    "The receiver's host name could not be resolved.",
    "Check the host in the webhook's URL, and its DNS records. Sending it again helps once the name resolves.",
  ],
  CONNECTION: [
    "The connection to the receiver failed or broke off.",
    "See whether the receiver runs and lets the sender in: port, firewall, load balancer.",
  ],
  TLS: [
    "The TLS handshake failed, or the receiver's certificate was rejected.",
    "Check the certificate's date, its chain and its host name. It will fail again until that is mended.",
  ],
  REDIRECT: [
    "The receiver answered with a redirect, which senders do not follow.",
    "Set the webhook's URL to the final address.",
  ],
  NO_RESPONSE: [
    "The vendor recorded no response, and no reason.",
    "Look for the delivery in the receiver's own log. If it never arrived, sending it again may help.",
  ],
  UNKNOWN: ["The delivery failed for a reason that the gateway does not recognise.", "The vendor's message says more."],
};

const BY_CODE = {
  401: "The receiver asks for a credential: check the secret or token that the webhook sends.",
  403: "The receiver forbids it: check the permissions, and its list of allowed addresses.",
  404: "The receiver has nothing at this address: check the webhook's URL.",
  405: "The receiver does not take this method: check the webhook's URL and method.",
  410: "The receiver says that this address is gone for good: change the webhook's URL, or remove it.",
  413: "The body is larger than the receiver takes: raise its limit, or send less.",
  429: "The receiver gets too many requests: wait before sending it again, and send more slowly.",
};

/** Return why a delivery failed and what to do about it, one sentence each. */
export function explain(category, code) {
  if (category === "HTTP_CLIENT_ERROR")
    return [
      `The receiver refused the delivery${code ? ` with ${code}` : ""}.`,
      BY_CODE[code] ?? "The receiver does not accept this request: compare it with what it expects.",
    ];
  if (category === "HTTP_SERVER_ERROR")
    return [
      `The receiver failed${code ? ` with ${code}` : ""} while handling the delivery.`,
      "Look into the receiver's log at that time. When it is healthy again, send the delivery again.",
    ];
  return HELP[category] ?? HELP.UNKNOWN;
}
