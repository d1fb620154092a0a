// The merged list of deliveries, and the delivery that is open beside it.
import { BulkDialog, openBulk, retry, sayRetried } from "./actions.js";
import { FilterBar } from "./chips.js";
import { Delivery } from "./delivery.js";
import { CLEAR, conditionsOf, isFiltered, queryFilter } from "./filters.js";
import { Grid } from "./grid.js";
import { useKeys } from "./keys.js";
import { classes, html, useEffect, useMemo, useObservable, useReducer, useRef, useState } from "./lib.js";
import { count, digits } from "./names.js";
import { Pages } from "./pages.js";
import { Reports } from "./reports.js";
import { changed, go, route, update } from "./route.js";
import { Button, Empty, Icon, say } from "./ui.js";
import { me } from "./viewer.js";

const POLL = 10_000;
/** Rows that are selected at once at most. */
const MOST = 500;

export function Deliveries() {
  const parameters = useObservable(route);
  const conditions = conditionsOf(parameters);
  const opened = parameters.get("log");
  const [version, again] = useReducer((number) => number + 1, 0);
  const [selected, setSelected] = useState(new Map());
  const [active, setActive] = useState(null);
  const [retrying, setRetrying] = useState(null);
  const anchor = useRef(null);
  const search = useRef();
  const controls = useRef(null);
  const list = useMemo(() => new Pages(queryFilter(parameters), again), [conditions]);

  useEffect(() => {
    setSelected(new Map());
    setActive(null);
    list.start();
    const timer = setInterval(() => document.visibilityState === "visible" && list.poll(), POLL);
    return () => {
      clearInterval(timer);
      list.close();
    };
  }, [list]);

  const link = (id) => changed(parameters, { log: id, compare: null });
  const reload = () => {
    setSelected(new Map());
    setActive(null);
    list.start(0);
  };
  const showFresh = () => {
    list.showFresh();
    controls.current?.top();
  };
  const open = (place, row) => {
    setActive(place);
    // Walking through the list with a delivery open leaves one step in the history.
    go(link(row.id), { replace: Boolean(opened) });
  };
  const close = () => {
    update({ log: null, compare: null });
    controls.current?.focus();
  };
  const select = (place, row, isRange) => {
    const next = new Map(selected);
    const isOn = !selected.has(row.id);
    for (const one of isRange && anchor.current ? between(list, anchor.current, place) : [row])
      if (isOn) next.set(one.id, one);
      else next.delete(one.id);
    anchor.current = place;
    setActive(place);
    setSelected(next);
  };
  const selectAll = () => {
    const held = list.pages.flatMap((page) => page.rows ?? []);
    setSelected(new Map(selected.size ? [] : held.slice(0, MOST).map((row) => [row.id, row])));
  };
  const move = (step) => {
    const place = current();
    const next = place ? list.beside(place, step) : (controls.current?.first() ?? null);
    if (!next) return;
    setActive({ page: next.page, index: next.index });
    controls.current.reveal(next);
    controls.current.focus();
    const row = next.page.rows?.[next.index];
    if (opened && row) go(link(row.id), { replace: true });
  };
  const current = () => (opened && list.find(opened)) || active;
  const currentRow = () => {
    const place = current();
    return place?.page.rows?.[place.index] ?? null;
  };
  const showResult = (payload) => {
    if (payload.webhookLog) list.replace(payload.webhookLog);
    list.poll();
    sayRetried(payload, { show: (id) => go(link(id)), again: reload });
  };
  const retryOne = async (row) => {
    if (!row || retrying) return;
    if (row.noRetry) return say({ text: row.noRetry, tone: "bad" });
    setRetrying(row.id);
    try {
      showResult(await retry(row.id));
    } catch (error) {
      say({ text: `It was not sent again: ${error.message}`, tone: "bad" });
    } finally {
      setRetrying(null);
    }
  };
  const many = (kind) =>
    openBulk(kind, [...selected.values()], {
      done(results) {
        const done = results.filter((result) => !result.error);
        for (const { payload } of done) if (payload.webhookLog) list.replace(payload.webhookLog);
        if (kind === "delete") list.remove(new Set(done.map(({ row }) => row.id)));
        setSelected(new Map(results.filter(({ error }) => error).map(({ row }) => [row.id, row])));
        list.poll();
      },
    });

  useKeys({
    j: () => move(1),
    k: () => move(-1),
    ArrowDown: () => move(1),
    ArrowUp: () => move(-1),
    Enter: () => {
      const row = currentRow();
      if (row) open(current(), row);
    },
    x: () => {
      const row = currentRow();
      if (row) select(current(), row, false);
    },
    " ": () => {
      const row = currentRow();
      if (row) select(current(), row, false);
    },
    a: selectAll,
    r: () => (selected.size ? many("retry") : retryOne(currentRow())),
    n: () => list.freshCount && showFresh(),
    ".": reload,
    "/": () => search.current.focus(),
    Escape: (event) => {
      if (event.target.matches("input")) event.target.blur();
      else if (opened) close();
      else setSelected(new Map());
    },
  });

  const fresh = list.freshCount;
  return html`<div class=${classes("deliveries", opened && "with-drawer")}>
    <section class="list-pane" aria-label="Deliveries">
      <h1 class="hidden">Deliveries</h1>
      <${FilterBar} searchRef=${search} />
      <${Reports} list=${list} again=${reload} />
      <div class="list-box">
        ${fresh > 0 &&
        html`<button type="button" class="fresh" onClick=${showFresh}>
          <${Icon} name="refresh" size=${14} />${count(fresh, "new delivery", "new deliveries")}
        </button>`}
        ${list.length > 0
          ? html`<${Grid}
              ...${{ list, version, opened, selected, link, controls }}
              active=${current()}
              onOpen=${open}
              onSelect=${select}
              onSelectAll=${selectAll}
              onRetry=${retryOne}
              label="Deliveries, newest first"
            />`
          : html`<${Nothing} list=${list} parameters=${parameters} again=${reload} />`}
      </div>
      ${selected.size > 0 &&
      html`<div class="selection" role="toolbar" aria-label="Selected deliveries">
        <strong aria-live="polite">${digits(selected.size)} selected</strong>
        <${Button} icon="retry" onClick=${() => many("retry")}>Retry<//>
        <${Button} icon="trash" onClick=${() => many("delete")}>Delete<//>
        <${Button} kind="plain" onClick=${() => setSelected(new Map())}>Clear<//>
      </div>`}
    </section>
    ${opened &&
    html`<${Delivery}
      key=${opened}
      id=${opened}
      parameters=${parameters}
      onClose=${close}
      onRetried=${showResult}
      onDeleted=${(id) => {
        list.remove(new Set([id]));
        close();
      }}
      onMove=${move}
    />`}
    <${BulkDialog} />
  </div>`;
}

/** Return the held rows from one place to another. */
function between(list, one, other) {
  const numbers = [one, other].map(({ page, index }) => [list.pages.indexOf(page), index]);
  const [from, to] = numbers.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const rows = [];
  for (let number = from[0]; number <= to[0]; number++) {
    const held = list.pages[number]?.rows ?? [];
    rows.push(...held.slice(number === from[0] ? from[1] : 0, number === to[0] ? to[1] + 1 : undefined));
  }
  return rows;
}

/** What is shown in place of the list: loading, nothing yet, nothing matches, could not load. */
function Nothing({ list, parameters, again }) {
  const { sources } = useObservable(me);
  if (list.state === "loading") return html`<${Skeleton} />`;
  if (list.state === "failed")
    return html`<${Empty}
      icon="warning"
      tone="bad"
      title="The deliveries could not be loaded"
      actions=${html`<${Button} kind="primary" icon="refresh" onClick=${again}>Try again<//>`}
    >
      <p>${list.error.message}</p>
      ${list.error.requestId && html`<p class="muted">Request <code>${list.error.requestId}</code></p>`}
    <//>`;
  if (!list.isComplete)
    return html`<${Empty}
      icon="search"
      title="Nothing found so far"
      actions=${html`<${Button} kind="primary" busy=${list.isReading} onClick=${() => list.more()}>
          ${list.isReading ? "Searching…" : "Search further back"}<//
        >
        <${Button} onClick=${() => update(CLEAR)}>Clear the filters<//>`}
    >
      <p>None of the ${digits(list.scanned)} newest deliveries matches. There may be older ones.</p>
    <//>`;
  if (isFiltered(parameters))
    return html`<${Empty}
      icon="search"
      title="Nothing matches"
      actions=${html`<${Button} kind="primary" onClick=${() => update(CLEAR)}>Clear the filters<//>
        ${parameters.has("time") && html`<${Button} onClick=${() => update({ time: null })}>At any time<//>`}`}
    >
      <p>No delivery meets all of these conditions.</p>
    <//>`;
  return html`<${Empty} icon="inbox" title="No deliveries yet">
    <p>
      ${sources.length
        ? `${count(sources.length, "source")} can be read, but there is no delivery yet. New ones appear here by themselves.`
        : "You may see no source. An administrator can grant you some."}
    </p>
  <//>`;
}

const Skeleton = () => html`<div class="skeleton" role="status">
  <span class="hidden">Loading the deliveries…</span>
  ${Array.from({ length: 14 }, (_, index) => html`<div key=${index} class="skeleton-row" aria-hidden="true"><i></i><i></i><i></i><i></i></div>`)}
</div>`;
