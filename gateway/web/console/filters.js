// The filter of the list: parameters of the URL, chips, and the filter of the GraphQL query.
import { CATEGORIES, STATUSES, changed, classes, full, hostOf, html, me, read, route, title, to, update, useEffect, useObservable, useRef, useState, views, zone, zoneName } from "./core.js";
import { Icon, Menu, Status, say } from "./parts.js";

const FIELDS = ["source", "status", "reason", "code", "event", "hook", "host", "time", "group", "correlation", "q"];

const LABELS = {
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

export const isFiltered = (parameters) => FIELDS.some((name) => parameters.has(name));

export const CLEAR = Object.fromEntries(FIELDS.map((name) => [name, null]));

/** Return the parameters that are conditions, as a text that can be kept as a view. */
export function conditionsOf(parameters) {
  const only = new URLSearchParams();
  for (const name of FIELDS) for (const value of parameters.getAll(name)) only.append(name, value);
  return String(only);
}

const CODE = /^(\d{3})$|^(\d)xx$|^(\d{3})?-(\d{3})?$/i;

function isCode(text) {
  const [isOne, , , from, to] = text.match(CODE) ?? [];
  return Boolean(isOne) && text !== "-" && !(from > to);
}

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

function chipText(name, parameters) {
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

// The filter bar: a chip for each condition, the search, and the views.

const SEARCH_DELAY = 350;

const GIVEN = [
  { name: "All", query: "" },
  { name: "Failed", query: "status=FAILED" },
  { name: "Failed today", query: "status=FAILED&time=P1D" },
  { name: "Pending", query: "status=PENDING" },
];

export function FilterBar({ searchRef }) {
  const parameters = useObservable(route);
  const inZone = useObservable(zone);
  const chip = (name, body) => html`<${Chip} key=${name} name=${name} parameters=${parameters}>${body}<//>`;
  return html`<div class="filters">
    <${Views} parameters=${parameters} />
    <div class="chips" role="group" aria-label="Filters">
      <${Search} parameters=${parameters} searchRef=${searchRef} />
      ${chip("source", html`<${SourceChoice} parameters=${parameters} />`)}
      ${chip("status", html`<${StatusChoice} parameters=${parameters} />`)}
      ${chip("reason", html`<${ReasonChoice} parameters=${parameters} />`)}
      ${chip("time", (close) => html`<${TimeChoice} key=${inZone + parameters.get("time")} parameters=${parameters} close=${close} />`)}
      ${chip("code", html`<${CodeChoice} parameters=${parameters} />`)}
      ${chip("event", html`<${TextChoice} name="event" parameters=${parameters} hint="order.paid, order.* or *paid*" />`)}
      ${chip("hook", html`<${HookChoice} parameters=${parameters} />`)}
      ${chip("host", html`<${TextChoice} name="host" parameters=${parameters} hint="Part of the URL" />`)}
      ${parameters.has("group") && html`<${Fixed} name="group" parameters=${parameters} />`}
      ${parameters.has("correlation") && chip("correlation", html`<${TextChoice} name="correlation" parameters=${parameters} hint="Id of the event" />`)}
      ${isFiltered(parameters) &&
      html`<button type="button" class="button plain clear" onClick=${() => update(CLEAR)}>Clear all</button>`}
    </div>
  </div>`;
}

function Chip({ name, parameters, children }) {
  const isSet = parameters.has(name);
  const text = isSet ? chipText(name, parameters) : "";
  return html`<span class=${classes("chip", isSet && "set")}>
    <${Menu}
      label=${`Filter by ${LABELS[name].toLowerCase()}`}
      class="chip-button"
      button=${html`<span class="chip-name">${LABELS[name]}</span>${isSet && html`<span class="chip-value">${text}</span>`}
        <${Icon} name="down" size=${12} />`}
    >
      ${children}
    <//>
    ${isSet && html`<${RemoveChip} name=${name} text=${text} />`}
  </span>`;
}

const Fixed = ({ name, parameters }) => html`<span class="chip set">
  <span class="chip-text"><span class="chip-name">${LABELS[name]}</span> <span class="chip-value">${chipText(name, parameters)}</span></span>
  <${RemoveChip} name=${name} text="" />
</span>`;

const RemoveChip = ({ name, text }) => html`<button
  type="button"
  class="chip-remove"
  aria-label=${`Remove the filter ${LABELS[name]}${text && `: ${text}`}`}
  onClick=${() => update({ [name]: null })}
>
  <${Icon} name="cross" size=${12} />
</button>`;

function Search({ parameters, searchRef }) {
  const given = parameters.get("q") ?? "";
  const [text, setText] = useState(given);
  const timer = useRef();
  useEffect(() => setText(given), [given]);
  const set = (value, wait) => {
    setText(value);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => update({ q: value.trim() || null }, { replace: given !== "" }), wait);
  };
  return html`<label class="search">
    <${Icon} name="search" />
    <span class="hidden">Search in ids, events, URLs, messages and bodies</span>
    <input
      ref=${searchRef}
      type="search"
      placeholder="Search"
      maxlength="1000"
      spellcheck=${false}
      value=${text}
      onInput=${(event) => set(event.target.value, SEARCH_DELAY)}
      onKeyDown=${(event) => {
        if (event.key === "Enter") set(event.target.value, 0);
        if (event.key === "Escape") event.target.blur();
      }}
    />
    <kbd aria-hidden="true">/</kbd>
  </label>`;
}

function Choices({ name, parameters, options, empty }) {
  const chosen = new Set(parameters.getAll(name));
  const toggle = (value) => {
    if (!chosen.delete(value)) chosen.add(value);
    update({ [name]: [...chosen] });
  };
  if (!options.length) return html`<p class="muted menu-note">${empty}</p>`;
  return html`<ul class="choices">
    ${options.map(
      ({ value, label, note }) => html`<li key=${value}>
        <label>
          <input type="checkbox" checked=${chosen.has(value)} onChange=${() => toggle(value)} />
          <span>${label}</span>${note && html`<span class="muted choice-note">${note}</span>`}
        </label>
      </li>`,
    )}
  </ul>`;
}

const StatusChoice = ({ parameters }) => html`<${Choices}
  name="status"
  parameters=${parameters}
  options=${Object.keys(STATUSES).map((value) => ({ value, label: html`<${Status} value=${value} />` }))}
/>`;

const ReasonChoice = ({ parameters }) => html`<${Choices}
  name="reason"
  parameters=${parameters}
  options=${Object.entries(CATEGORIES).map(([value, label]) => ({
    value,
    label,
    note: { HTTP_CLIENT_ERROR: "4xx", HTTP_SERVER_ERROR: "5xx", REDIRECT: "3xx" }[value],
  }))}
/>`;

function SourceChoice({ parameters }) {
  const { sources } = useObservable(me);
  return html`<${Choices}
    name="source"
    parameters=${parameters}
    options=${sources.map(({ name, provider }) => ({ value: name, label: name, note: title(provider) }))}
    empty="You may see no source."
  />`;
}

function TimeChoice({ parameters, close }) {
  const { from, to } = timeOf(parameters);
  const isUtc = zone.value === "utc";
  const shown = (text) => {
    const at = new Date(text ?? NaN);
    if (Number.isNaN(+at)) return "";
    return new Date(at - (isUtc ? 0 : at.getTimezoneOffset() * 60_000)).toISOString().slice(0, 16);
  };
  const [begin, setBegin] = useState(shown(from));
  const [end, setEnd] = useState(shown(to));
  const iso = (text) => (text ? new Date(text + (isUtc ? "Z" : "")).toISOString() : "");
  return html`<ul class="choices">
      ${Object.entries(RANGES).map(
        ([value, label]) => html`<li key=${value}>
          <button
            type="button"
            class="choice"
            aria-pressed=${from === value && !to}
            onClick=${() => {
              update({ time: value });
              close();
            }}
          >
            ${label}
          </button>
        </li>`,
      )}
    </ul>
    <div class="menu-form">
      <label>From (${zoneName()}) <input type="datetime-local" value=${begin} onInput=${(event) => setBegin(event.target.value)} /></label>
      <label>Until (${zoneName()}) <input type="datetime-local" value=${end} onInput=${(event) => setEnd(event.target.value)} /></label>
      <button
        type="button"
        class="button"
        onClick=${() => {
          update({ time: begin || end ? `${iso(begin)}~${iso(end)}` : null });
          close();
        }}
      >
        Apply
      </button>
    </div>`;
}

function TextChoice({ name, parameters, hint, check = () => true, fault }) {
  const values = parameters.getAll(name);
  const [text, setText] = useState("");
  const [isWrong, setWrong] = useState(false);
  const add = (event) => {
    event.preventDefault();
    const value = text.trim();
    if (!value) return;
    if (!check(value)) return setWrong(true);
    setText("");
    setWrong(false);
    if (!values.includes(value)) update({ [name]: [...values, value] });
  };
  return html`<form class="menu-form" onSubmit=${add}>
    <label
      >${LABELS[name]}
      <input
        value=${text}
        placeholder=${hint}
        spellcheck=${false}
        autocomplete="off"
        maxlength="1000"
        aria-invalid=${isWrong ? "true" : undefined}
        aria-describedby=${isWrong ? `fault-${name}` : undefined}
        onInput=${(event) => setText(event.target.value)}
    /></label>
    ${isWrong && html`<p class="fault" id=${`fault-${name}`}>${fault}</p>`}
    <button type="submit" class="button">Add</button>
    ${values.length > 0 &&
    html`<ul class="values">
      ${values.map(
        (value) => html`<li key=${value}>
          <span>${name === "host" ? hostOf(value) : value}</span>
          <button
            type="button"
            class="button plain square"
            aria-label=${`Remove ${value}`}
            onClick=${() => update({ [name]: values.filter((other) => other !== value) })}
          >
            <${Icon} name="cross" size=${12} />
          </button>
        </li>`,
      )}
    </ul>`}
  </form>`;
}

const CodeChoice = ({ parameters }) => html`<${TextChoice}
  name="code"
  parameters=${parameters}
  hint="404, 5xx or 500-504"
  check=${isCode}
  fault="Write a code, a class or a range: 404, 5xx, 500-504."
/>`;

/** The hooks of the chosen sources, or of all. The address keeps the id and the name. */
function HookChoice({ parameters }) {
  const { sources } = useObservable(me);
  const [state, setState] = useState({ options: null, failed: [] });
  const chosen = parameters.getAll("source");
  const names = sources.map((source) => source.name).filter((name) => !chosen.length || chosen.includes(name));
  const holder = useRef();
  const wanted = names.join(" ");
  useEffect(() => {
    const box = holder.current.closest("[popover]");
    let isShown = true;
    const load = async () => {
      const answers = await Promise.allSettled(
        names.map(async (source) => (await read("Hooks", { source }, "source")).hooks?.nodes ?? []),
      );
      if (!isShown) return;
      const options = answers.flatMap(({ value = [] }, index) =>
        value.map((hook) => ({
          value: `${hook.id}~${(hook.name ?? hostOf(hook.url)) || "unnamed"}`,
          label: (hook.name ?? hostOf(hook.url)) || "unnamed",
          note: names[index],
        })),
      );
      setState({ options, failed: names.filter((_, index) => answers[index].status === "rejected") });
    };
    if (box.matches(":popover-open")) load();
    box.addEventListener("toggle", load, { once: true });
    return () => {
      isShown = false;
      box.removeEventListener("toggle", load);
    };
  }, [wanted]);
  return html`<div ref=${holder}>
    ${state.options === null
      ? html`<p class="muted menu-note">Loading the hooks…</p>`
      : html`<${Choices} name="hook" parameters=${parameters} options=${state.options} empty="There are no hooks." />`}
    ${state.failed.length > 0 && html`<p class="fault menu-note">Could not be read: ${state.failed.join(", ")}.</p>`}
  </div>`;
}

function Views({ parameters }) {
  const own = useObservable(views);
  const current = conditionsOf(parameters);
  const parametersOf = (query) => {
    const next = changed(parameters, CLEAR);
    for (const [name, value] of new URLSearchParams(query)) if (FIELDS.includes(name)) next.append(name, value);
    return next;
  };
  const isKnown = [...GIVEN, ...own].some((view) => view.query === current);
  return html`<nav class="views" aria-label="Views">
    <ul>
      ${[...GIVEN, ...own].map((view, index) => {
        const next = parametersOf(view.query);
        const isOwn = index >= GIVEN.length;
        return html`<li key=${view.name}>
          <a
            class="view"
            ...${to(next)}
            aria-current=${view.query === current ? "true" : undefined}
            >${view.name}</a
          >
          ${isOwn &&
          view.query === current &&
          html`<button
            type="button"
            class="button plain square"
            aria-label=${`Forget the view ${view.name}`}
            title="Forget this view"
            onClick=${() => (views.value = own.filter((other) => other !== view))}
          >
            <${Icon} name="cross" size=${12} />
          </button>`}
        </li>`;
      })}
      ${!isKnown && html`<li><${SaveView} query=${current} own=${own} /></li>`}
    </ul>
  </nav>`;
}

function SaveView({ query, own }) {
  const [name, setName] = useState("");
  return html`<${Menu}
    label="Keep these filters as a view"
    class="button plain small"
    button=${html`<${Icon} name="plus" size=${12} /><span>Save view</span>`}
  >
    ${(close) => html`<form
      class="menu-form"
      onSubmit=${(event) => {
        event.preventDefault();
        const chosen = name.trim();
        if (!chosen) return;
        views.value = [...own.filter((view) => view.name !== chosen), { name: chosen, query }];
        close();
        setName("");
        say({ text: `The view ${chosen} is kept in this browser.`, tone: "good" });
      }}
    >
      <label>Name <input value=${name} maxlength="40" onInput=${(event) => setName(event.target.value)} /></label>
      <button type="submit" class="button primary">Save</button>
    </form>`}
  <//>`;
}
