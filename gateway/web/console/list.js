// The pages of a list that has no end, of which only those near the window are held. The others
// keep their cursor and their times, from which their height is known.
import { CATEGORIES, address, ago, changed, classes, clock, count, dayName, dayOf, digits, duration, full, go, hostOf, html, me, parse, read, route, update, useEffect, useLayoutEffect, useMemo, useObservable, useReducer, useRef, useState, useTick, zone } from "./core.js";
import { Delivery } from "./delivery.js";
import { CLEAR, FilterBar, conditionsOf, isFiltered, queryFilter } from "./filters.js";
import { Broken, BulkDialog, Button, Empty, Icon, Reports, Skeleton, Status, openBulk, retry, say, sayRetried, useKeys } from "./parts.js";

const PAGE = 100;
const HELD = 2000;
/** Pages without a row that are read on before the reader is asked. */
const PATIENCE = 4;

/** A page of rows; `rows` is null while they are not held. */
class Page {
  constructor(variables, rows) {
    this.variables = variables;
    this.fill(rows);
  }

  fill(rows) {
    this.rows = rows;
    this.times = Float64Array.from(rows, (row) => parse(row.triggeredAt));
  }

  get length() {
    return this.times.length;
  }

  /** Set the indices of the rows that begin a day; return the day of the last row. */
  group(before) {
    this.heads = [];
    let day = before;
    for (let index = 0; index < this.length; index++) {
      const own = dayOf(this.times[index]);
      if (own !== day) this.heads.push(index);
      day = own;
    }
    return day;
  }
}

/**
 * The list of one filter. `changed` is called after each change of what is to be shown.
 * `state` is "loading", "ready" or "failed"; with "failed", `error` says why.
 */
class Pages {
  constructor(filter, changed) {
    this.filter = filter;
    this.changed = changed;
    this.abort = new AbortController();
    this.clear();
  }

  clear() {
    this.pages = [];
    this.fresh = [];
    this.reports = [];
    this.state = "loading";
    this.error = null;
    this.next = null;
    this.newest = null;
    this.isComplete = false;
    this.scanned = 0;
    this.isPaused = false;
  }

  close() {
    this.abort.abort();
  }

  get length() {
    return this.pages.reduce((sum, page) => sum + page.length, 0);
  }

  get freshCount() {
    return this.fresh.reduce((sum, page) => sum + page.length, 0);
  }

  /** Read the first page; `maxAge` in seconds bounds the age of cached rows. */
  async start(maxAge = null) {
    this.abort.abort();
    this.abort = new AbortController();
    this.clear();
    this.isReading = false;
    this.maxAge = maxAge;
    this.changed();
    await this.more();
  }

  async more() {
    if (this.isReading || this.isComplete) return;
    const { signal } = this.abort;
    this.isReading = true;
    this.isPaused = false;
    this.error = null;
    this.changed();
    try {
      for (let turn = 0; turn < PATIENCE; turn++) {
        const variables = { first: PAGE, after: this.next, filter: this.filter };
        if (this.maxAge !== null && !this.next) variables.cache = { maxAge: this.maxAge };
        const page = await read("Deliveries", variables, "webhookLogs", { signal });
        if (signal.aborted) return;
        delete variables.cache;
        this.append(variables, page);
        if (page.nodes.length || this.isComplete) break;
        this.isPaused = turn === PATIENCE - 1;
      }
      this.state = "ready";
    } catch (error) {
      if (signal.aborted) return;
      this.error = error;
      if (!this.length) this.state = "failed";
    } finally {
      if (!signal.aborted) {
        this.isReading = false;
        this.changed();
      }
    }
  }

  append(variables, { nodes, pageInfo, sourceReports }) {
    if (!this.next) this.newest = pageInfo.startCursor;
    this.reports = sourceReports;
    this.scanned += sourceReports.reduce((sum, report) => sum + report.scanned, 0);
    this.isComplete = !pageInfo.hasNextPage || !pageInfo.endCursor;
    this.next = pageInfo.endCursor;
    if (nodes.length) this.pages.push(new Page(variables, nodes.map(slim)));
  }

  /** Read what is new; it waits until `showFresh`, so that nothing moves. */
  async poll() {
    if (this.state !== "ready" || this.isPolling || !this.newest) return;
    const { signal } = this.abort;
    this.isPolling = true;
    try {
      for (let turn = 0; turn < PATIENCE; turn++) {
        const variables = { last: PAGE, before: this.newest, filter: this.filter };
        const { nodes, pageInfo, sourceReports } = await read("Deliveries", variables, "webhookLogs", { signal });
        this.reports = sourceReports;
        this.newest = pageInfo.startCursor ?? this.newest;
        if (nodes.length) this.fresh.unshift(new Page(variables, nodes.map(slim)));
        if (!pageInfo.hasPreviousPage || !nodes.length) break;
      }
      this.changed();
    } catch (error) {
      // The next poll tries again, except with a cursor that is too old: then the list begins anew.
      if (error.code === "CURSOR_TOO_OLD") this.newest = null;
    } finally {
      this.isPolling = false;
    }
  }

  showFresh() {
    if (this.freshCount > HELD / 2) return this.start();
    this.pages = [...this.fresh, ...this.pages];
    this.fresh = [];
    this.changed();
  }

  /** Hold the pages from one number to another and their neighbours; let go of those far away. */
  hold(from, to) {
    for (let number = from; number <= to; number++) this.refill(this.pages[number]);
    let held = this.pages.reduce((sum, page) => sum + (page.rows?.length ?? 0), 0);
    const distance = (number) => Math.max(from - number, number - to);
    const byDistance = this.pages.map((_, number) => number).sort((a, b) => distance(b) - distance(a));
    for (const number of byDistance) {
      const page = this.pages[number];
      if (held <= HELD || distance(number) <= 1) break;
      if (page.rows === null) continue;
      held -= page.rows.length;
      page.rows = null;
    }
  }

  async refill(page) {
    if (!page || page.rows !== null || page.isReading) return;
    const { signal } = this.abort;
    page.isReading = true;
    try {
      const { nodes } = await read("Deliveries", page.variables, "webhookLogs", { signal });
      page.fill(nodes.map(slim));
      this.changed();
    } catch {
      // The rows stay blank; scrolling tries again.
    } finally {
      page.isReading = false;
    }
  }

  find(id) {
    for (const page of this.pages) {
      const index = page.rows?.findIndex((row) => row.id === id) ?? -1;
      if (index >= 0) return { page, index };
    }
    return null;
  }

  replace(row) {
    const found = this.find(row.id);
    if (!found) return;
    const rows = [...found.page.rows];
    rows[found.index] = slim(row);
    found.page.fill(rows);
    this.changed();
  }

  remove(ids) {
    for (const page of this.pages)
      if (page.rows?.some((row) => ids.has(row.id)))
        page.fill(page.rows.filter((row) => !ids.has(row.id)));
    this.changed();
  }

  beside({ page, index }, step) {
    let number = this.pages.indexOf(page);
    let at = index + step;
    while (number >= 0 && this.pages[number]) {
      if (at < 0) {
        number -= 1;
        at += this.pages[number]?.length ?? 0;
      } else if (at >= this.pages[number].length) {
        at -= this.pages[number].length;
        number += 1;
      } else return { page: this.pages[number], index: at };
    }
    return null;
  }
}

const texts = new Map();

/** Return the one copy of a text that many rows share. */
function shared(text) {
  if (typeof text !== "string") return text;
  if (texts.size > 5000) texts.clear();
  if (!texts.has(text)) texts.set(text, text);
  return texts.get(text);
}

/** Return a row with what the list shows, its repeated texts only once in memory. */
function slim(node) {
  const action = (name) => node.availableActions.find((one) => one.action === name);
  const reasonOf = (name) => {
    const { available, reason } = action(name) ?? {};
    return available ? null : shared(reason ?? "This can't be done here.");
  };
  return {
    id: node.id,
    upstreamId: node.upstreamId,
    source: shared(node.source.name),
    hook: shared(node.hook?.name ?? null),
    event: shared(node.event),
    status: shared(node.status),
    triggeredAt: node.triggeredAt,
    durationMs: node.durationMs,
    attempt: node.attempt,
    isRedelivery: node.isRedelivery,
    category: shared(node.failure?.category ?? null),
    message: shared(node.failure?.message ?? null),
    url: shared(node.request?.url ?? null),
    code: node.response?.statusCode ?? null,
    noRetry: reasonOf("RETRY"),
    noDelete: reasonOf("DELETE"),
  };
}

// The rows of the list. Only those in the window are in the page.

const DAY_HEIGHT = 34;
const ROW_HEIGHT = { wide: 36, narrow: 62 };
const NARROW = 640;
const AROUND = 600;
const AHEAD = 2400;

/** Return the top of each page and day, and the height of all: what `visible` looks up. */
function measure(pages, rowHeight) {
  let day = null;
  let top = 0;
  const tops = pages.map((page) => {
    day = page.group(day);
    const own = top;
    top += page.length * rowHeight + page.heads.length * DAY_HEIGHT;
    return own;
  });
  return { tops, height: top, rowHeight };
}

function offsetOf(page, index, rowHeight) {
  const heads = page.heads.filter((head) => head <= index).length;
  return index * rowHeight + heads * DAY_HEIGHT;
}

/** Return the rows and days between two heights, with their tops. */
function visible(pages, { tops, height, rowHeight }, from, to) {
  const items = [];
  let first = -1;
  let last = -1;
  let position = 0;
  pages.forEach((page, number) => {
    const start = position;
    position += page.length;
    const end = tops[number + 1] ?? height;
    if (end < from || tops[number] > to) return;
    if (first < 0) first = number;
    last = number;
    let top = tops[number];
    let head = 0;
    for (let index = 0; index < page.length && top < to; index++) {
      if (page.heads[head] === index) {
        if (top + DAY_HEIGHT > from) items.push({ kind: "day", top, ms: page.times[index] });
        head += 1;
        top += DAY_HEIGHT;
      }
      if (top + rowHeight > from)
        items.push({ kind: "row", top, row: page.rows?.[index], position: start + index, page, index });
      top += rowHeight;
    }
  });
  return { items, first, last };
}

/**
 * The list. `active` is the place of the current row. `controls` gets functions that the keys of
 * the screen use: reveal, top.
 */
function Grid({ list, version, active, opened, selected, link, onOpen, onSelect, onSelectAll, onRetry, controls, label }) {
  useObservable(zone);
  useTick(10_000);
  const scroller = useRef();
  const [view, setView] = useState({ top: 0, height: 800, width: 1200 });
  const rowHeight = view.width < NARROW ? ROW_HEIGHT.narrow : ROW_HEIGHT.wide;
  const measured = measure(list.pages, rowHeight);
  const { items, first, last } = visible(
    list.pages,
    measured,
    view.top - AROUND,
    view.top + view.height + AROUND,
  );

  useLayoutEffect(() => {
    const element = scroller.current;
    let frame = 0;
    const look = () => {
      frame = 0;
      setView({ top: element.scrollTop, height: element.clientHeight, width: element.clientWidth });
    };
    const later = () => (frame ||= requestAnimationFrame(look));
    const resized = new ResizeObserver(later);
    resized.observe(element);
    element.addEventListener("scroll", later, { passive: true });
    look();
    return () => {
      resized.disconnect();
      element.removeEventListener("scroll", later);
      cancelAnimationFrame(frame);
    };
  }, []);

  useEffect(() => {
    if (first >= 0) list.hold(first, last);
    const isNear = view.top + view.height + AHEAD > measured.height;
    if (isNear && !list.error && !list.isPaused && list.state === "ready") list.more();
  }, [first, last, version, view.top, view.height]);

  controls.current = {
    reveal({ page, index }) {
      const element = scroller.current;
      const number = list.pages.indexOf(page);
      if (number < 0) return;
      const top = measured.tops[number] + offsetOf(page, index, rowHeight);
      if (top - DAY_HEIGHT < element.scrollTop) element.scrollTop = top - DAY_HEIGHT;
      else if (top + rowHeight > element.scrollTop + element.clientHeight)
        element.scrollTop = top + rowHeight - element.clientHeight + 8;
    },
    top() {
      scroller.current.scrollTop = 0;
    },
    focus() {
      scroller.current.focus({ preventScroll: true });
    },
    first: () => items.find((item) => item.kind === "row" && item.top + rowHeight > view.top),
  };

  const current = active?.page.rows?.[active.index];
  const now = Date.now();
  const rows = items.filter((item) => item.kind === "row");
  const dayInView = items.filter((item) => item.top <= view.top).at(-1) ?? items[0];
  const msInView = dayInView && (dayInView.kind === "day" ? dayInView.ms : dayInView.page.times[dayInView.index]);
  return html`<div
    class="grid"
    ref=${scroller}
    role="grid"
    tabindex="0"
    aria-label=${label}
    aria-rowcount=${list.isComplete ? list.length + 1 : -1}
    aria-activedescendant=${current ? `row-${active.page.times && positionOf(list, active)}` : undefined}
    aria-multiselectable="true"
  >
    <div class="grid-head" role="row" aria-rowindex="1">
      <span role="columnheader" class="cell select">
        <label>
          <input
            type="checkbox"
            tabindex="-1"
            aria-label="Select all that are loaded (a)"
            checked=${selected.size > 0}
            indeterminate=${selected.size > 0 && selected.size < list.length}
            onClick=${onSelectAll}
          />
        </label>
      </span>
      <span role="columnheader" class="cell status-cell">Status</span>
      <span role="columnheader" class="cell time">${msInView === undefined ? "Time" : dayName(msInView, now)}</span>
      <span role="columnheader" class="cell source">Source</span>
      <span role="columnheader" class="cell event">Event</span>
      <span role="columnheader" class="cell code">Code</span>
      <span role="columnheader" class="cell duration">Duration</span>
      <span role="columnheader" class="cell attempt"><abbr title="Attempt">Try</abbr></span>
      <span role="columnheader" class="cell host">Target</span>
      <span role="columnheader" class="cell why">Reason</span>
      <span role="columnheader" class="cell act"><span class="hidden">Actions</span></span>
    </div>
    <div class="grid-body" role="rowgroup" style=${{ height: `${measured.height}px` }}>
      ${items.map((item) =>
        item.kind === "day"
          ? html`<div key=${`day-${item.top}`} class="day" role="row" style=${{ top: `${item.top}px` }}>
              <span role="gridcell" aria-colspan="11">${dayName(item.ms, now)}</span>
            </div>`
          : item.row
            ? html`<${Row}
                key=${item.row.id}
                ...${item}
                now=${now}
                isActive=${item.row === current}
                isOpen=${item.row.id === opened}
                isSelected=${selected.has(item.row.id)}
                link=${link}
                onOpen=${onOpen}
                onSelect=${onSelect}
                onRetry=${onRetry}
              />`
            : html`<div key=${`blank-${item.position}`} class="grid-row blank" role="row" style=${{ top: `${item.top}px` }}>
                <span role="gridcell" class="cell">…</span>
              </div>`,
      )}
    </div>
    <${End} list=${list} isEmpty=${rows.length === 0} />
  </div>`;
}

function positionOf(list, { page, index }) {
  let position = index;
  for (const one of list.pages) {
    if (one === page) break;
    position += one.length;
  }
  return position;
}

function Row({ row, top, position, page, index, now, isActive, isOpen, isSelected, link, onOpen, onSelect, onRetry }) {
  const ms = page.times[index];
  const place = { page, index };
  const host = hostOf(row.url);
  const open = (event) => {
    if (event.target.closest("input, button, label")) return;
    if (event.metaKey || event.ctrlKey || event.button) return;
    event.preventDefault();
    if (!String(getSelection())) onOpen(place, row);
  };
  return html`<div
    id=${`row-${position}`}
    class=${classes("grid-row", isActive && "active", isOpen && "open", isSelected && "selected")}
    role="row"
    aria-rowindex=${position + 2}
    aria-selected=${isSelected}
    style=${{ top: `${top}px` }}
    onClick=${open}
  >
    <span role="gridcell" class="cell select">
      <label>
        <input
          type="checkbox"
          tabindex="-1"
          checked=${isSelected}
          aria-label=${`Select ${row.event ?? "delivery"} of ${row.source}`}
          onClick=${(event) => onSelect(place, row, event.shiftKey)}
        />
      </label>
    </span>
    <span role="gridcell" class="cell status-cell"><${Status} value=${row.status} /></span>
    <span role="gridcell" class="cell time" title=${Number.isNaN(ms) ? undefined : `${full(ms)}\n${row.triggeredAt}`}>
      ${Number.isNaN(ms) ? html`<span class="muted">no time</span>` : html`<span class="exact">${clock(ms)}</span> <span class="muted">${ago(ms, now)}</span>`}
    </span>
    <span role="gridcell" class="cell source">${row.source}</span>
    <span role="gridcell" class="cell event">
      <a class=${row.event ? "" : "unnamed"} href=${address(link(row.id))} tabindex="-1">${row.event ?? row.hook ?? "No event"}</a>
      ${row.isRedelivery && html`<span class="tag" title="This delivery repeats an earlier one">again</span>`}
    </span>
    <span role="gridcell" class=${classes("cell code", row.code >= 400 && "bad")}>${row.code ?? "–"}</span>
    <span role="gridcell" class="cell duration">${duration(row.durationMs) || "–"}</span>
    <span role="gridcell" class="cell attempt">${row.attempt ?? "–"}</span>
    <span role="gridcell" class="cell host" title=${row.url}>${host || "–"}</span>
    <span role="gridcell" class="cell why" title=${row.message}>
      ${row.category && html`<span class="category">${CATEGORIES[row.category]}</span> ${row.message}`}
    </span>
    <span role="gridcell" class="cell act">
      ${!row.noRetry &&
      html`<button
        type="button"
        class="button plain square"
        tabindex="-1"
        aria-label="Retry"
        title="Send again (r)"
        onClick=${() => onRetry(row)}
      >
        <${Icon} name="retry" />
      </button>`}
    </span>
  </div>`;
}

function End({ list }) {
  if (list.state !== "ready" || !list.length) return null;
  const last = list.pages.at(-1).times.findLast((time) => !Number.isNaN(time));
  if (list.error)
    return html`<div class="end bad">
      <${Icon} name="warning" /><span>The next deliveries could not be loaded: ${list.error.message}</span>
      <button type="button" class="button" onClick=${() => list.more()}>Try again</button>
    </div>`;
  if (list.isPaused)
    return html`<div class="end">
      <span>Nothing more matches among ${digits(list.scanned)} deliveries that were searched.</span>
      <button type="button" class="button" onClick=${() => list.more()}>Search further back</button>
    </div>`;
  if (list.isComplete)
    return html`<div class="end muted"><span>The end${last ? `: nothing before ${full(last)}` : ""}.</span></div>`;
  return html`<div class="end muted"><span class="spinner" aria-hidden="true"></span><span>Loading more…</span></div>`;
}

// The merged list of deliveries, and the delivery that is open beside it.

const POLL = 10_000;
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
  const many = (kind, rows = [...selected.values()]) =>
    openBulk(kind, rows, {
      done(results) {
        const done = results.filter((result) => !result.error);
        for (const { payload } of done) if (payload.webhookLog) list.replace(payload.webhookLog);
        const ids = new Set(done.map(({ row }) => row.id));
        if (kind === "delete") list.remove(ids);
        if (kind === "delete" && ids.has(route.value.get("log"))) close();
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
    <h1 class="hidden">Deliveries</h1>
    <section class="list-pane" aria-label="Deliveries">
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
      onDelete=${(log) => many("delete", [slim(log)])}
      onMove=${move}
    />`}
    <${BulkDialog} />
  </div>`;
}

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

function Nothing({ list, parameters, again }) {
  const { sources } = useObservable(me);
  if (list.state === "loading") return html`<${Skeleton} rows=${14} />`;
  if (list.state === "failed")
    return html`<${Broken} title="The deliveries could not be loaded" error=${list.error} again=${again}>
      ${isFiltered(parameters) && html`<${Button} onClick=${() => update(CLEAR)}>Clear the filters<//>`}
    <//>`;
  if (list.reports.some((report) => report.outcome !== "OK")) {
    const error = { message: "The sources named above could not be read." };
    return html`<${Broken} title="Nothing found in what could be read" error=${error} again=${again} />`;
  }
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
