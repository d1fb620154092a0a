// The rows of the list. Only those in the window are in the page.
import { classes, html, useEffect, useLayoutEffect, useObservable, useRef, useState, useTick } from "./lib.js";
import { CATEGORIES, digits, hostOf } from "./names.js";
import { zone } from "./preferences.js";
import { address } from "./route.js";
import { ago, clock, dayName, duration, full, zoneName } from "./time.js";
import { Icon, Status } from "./ui.js";

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

/** Return the top of a row within its page. */
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
export function Grid({ list, version, active, opened, selected, link, onOpen, onSelect, onSelectAll, onRetry, controls, label }) {
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
    /** Scroll as little as possible until a row is seen. */
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
    /** Return the place of the first row that is seen. */
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
      <span role="columnheader" class="cell time"
        >${msInView === undefined ? "Time" : dayName(msInView, now)} <span class="muted">${zoneName()}</span></span
      >
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

/** Return the number of a row in the whole list. */
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

/** What comes after the last row: more, the end, or why there is no more. */
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
