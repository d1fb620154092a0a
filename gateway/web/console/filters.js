// The filter of the list: parameters of the URL, chips, and the filter of the GraphQL query.
import { CATEGORIES, STATUSES, hostOf } from "./names.js";
import { full } from "./time.js";

/** The parameters that are conditions, in the order of their chips. */
export const FIELDS = ["source", "status", "reason", "code", "event", "hook", "host", "time", "group", "correlation", "q"];

export const LABELS = {
  source: "Source",
  status: "Status",
  reason: "Reason",
  code: "Code",
  event: "Event",
  hook: "Hook",
  host: "Target",
  time: "Time",
  group: "Failure group",
  correlation: "Correlation",
  q: "Text",
};

export const RANGES = {
  PT15M: "Last 15 minutes",
  PT1H: "Last hour",
  PT6H: "Last 6 hours",
  P1D: "Last 24 hours",
  P7D: "Last 7 days",
  P30D: "Last 30 days",
};

/** Return whether the parameters hold any condition. */
export const isFiltered = (parameters) => FIELDS.some((name) => parameters.has(name));

/** Return changes that remove all conditions. */
export const CLEAR = Object.fromEntries(FIELDS.map((name) => [name, null]));

/** Return the parameters that are conditions, as a text that can be kept as a view. */
export function conditionsOf(parameters) {
  const only = new URLSearchParams();
  for (const name of FIELDS) for (const value of parameters.getAll(name)) only.append(name, value);
  return String(only);
}

const CODE = /^(\d{3})$|^(\d)xx$|^(\d{3})?-(\d{3})?$/i;

/** Return whether a text is a status code, a class such as 5xx, or a range such as 500-504. */
export const isCode = (text) => CODE.test(text) && text !== "-";

function codeCondition(text) {
  const [, code, family, from, to] = text.match(CODE) ?? [];
  if (code) return { eq: Number(code) };
  if (family) return { gte: family * 100, lte: family * 100 + 99 };
  return { ...(from && { gte: Number(from) }), ...(to && { lte: Number(to) }) };
}

function eventCondition(text) {
  const inner = text.replace(/^\*|\*$/g, "");
  if (text.startsWith("*") && text.endsWith("*")) return { containsIgnoreCase: inner };
  if (text.endsWith("*")) return { startsWithIgnoreCase: inner };
  if (text.startsWith("*")) return { endsWithIgnoreCase: inner };
  return { eqIgnoreCase: text };
}

/** Return the time as its two ends: ISO 8601 texts, durations back from now, or null. */
export function timeOf(parameters) {
  const text = parameters.get("time") ?? "";
  const [from, to] = text.split("~");
  return { from: from || null, to: to || null };
}

const anyOf = (conditions) => (conditions.length === 1 ? conditions[0] : { or: conditions });

/** Return the filter of the query; null if there are no conditions. */
export function queryFilter(parameters) {
  // What the gateway would refuse is left out: someone may have edited the address.
  const isValid = { status: (text) => text in STATUSES, reason: (text) => text in CATEGORIES, code: isCode };
  const values = (name) => parameters.getAll(name).filter(isValid[name] ?? Boolean);
  const all = [];
  const add = (name, make) => {
    if (values(name).length) all.push(make(values(name)));
  };
  add("source", (names) => ({ source: { in: names } }));
  add("status", (names) => ({ status: { in: names } }));
  add("reason", (names) => ({ failure: { in: names } }));
  add("code", (texts) =>
    anyOf(texts.map((text) => ({ httpStatus: codeCondition(text) }))),
  );
  add("event", (texts) => anyOf(texts.map((text) => ({ event: eventCondition(text) }))));
  add("hook", (texts) => ({ hook: { in: texts.map((text) => text.split("~")[0]) } }));
  add("host", (texts) => anyOf(texts.map((text) => ({ url: { containsIgnoreCase: text } }))));
  add("group", (ids) => ({ failureGroup: { in: ids } }));
  add("correlation", (texts) => ({ correlationId: { in: texts } }));
  const { from, to } = timeOf(parameters);
  if (from || to) all.push({ triggeredAt: { ...(from && { gte: from }), ...(to && { lt: to }) } });
  const text = parameters.get("q")?.trim();
  if (text) all.push({ search: text });
  // Every condition has another field, so that they can be one object.
  const hasOr = all.filter((condition) => condition.or);
  if (hasOr.length > 1) return { and: all };
  return all.length ? Object.assign({}, ...all) : null;
}

/** Return what the chip of a field shows for its values. */
export function chipText(name, parameters) {
  const values = parameters.getAll(name);
  if (name === "time") return timeText(parameters);
  const shown = values.map((value) => {
    if (name === "status") return STATUSES[value]?.name ?? value;
    if (name === "reason") return CATEGORIES[value] ?? value;
    if (name === "hook") return value.split("~")[1] ?? "one hook";
    if (name === "group") return "these failures";
    if (name === "host") return hostOf(value);
    return value;
  });
  return shown.length > 2 ? `${shown[0]} and ${shown.length - 1} more` : shown.join(", ");
}

function timeText(parameters) {
  const { from, to } = timeOf(parameters);
  if (!to && RANGES[from]) return RANGES[from];
  const point = (text) => {
    const ms = Date.parse(text);
    return Number.isNaN(ms) ? text : full(ms).replace(/\.\d+ .*/, "");
  };
  if (from && to) return `${point(from)} to ${point(to)}`;
  return from ? `since ${point(from)}` : to ? `before ${point(to)}` : "";
}
