// What fails, where, and since when: deliveries over time, sources, groups of failures.
import { CATEGORIES, STATUSES, changed, classes, clock, count, date, dayOf, digits, duration, execute, go, hostOf, html, minute, parse, read, route, second, title, to, update, useEffect, useLayoutEffect, useObservable, useRef, useState, zone } from "./core.js";
import { RANGES, timeOf } from "./filters.js";
import { Ago, Broken, Button, Empty, Icon, Reports, Skeleton, Status, useKeys } from "./parts.js";

const USUAL = "PT6H";
const REFRESH = 20_000;
const GROUPS = 50;
const MINUTE = 60_000;
/** Minutes of a bucket, or from one text of the axis to the next. */
const SIZES = [0.25, 1, 5, 15, 30, 60, 180, 720, 1440, 10080];
const LENGTHS = { PT15M: 15, PT1H: 60, PT6H: 360, P1D: 1440, P7D: 10080, P30D: 43200 };

function bucketOf({ from, to }) {
  const end = to ? Date.parse(to) : Date.now();
  const minutes = LENGTHS[from] ?? (end - Date.parse(from)) / MINUTE;
  return `PT${(SIZES.find((size) => minutes / size <= 80) ?? SIZES.at(-1)) * 60}S`;
}

/** Read a document now and again while the page is seen; what was read stays until there is newer. */
function useAnswer(ask, key, turn) {
  const [state, setState] = useState({ data: null, error: null, key: null });
  useEffect(() => {
    const abort = new AbortController();
    const load = () =>
      ask(abort.signal)
        .then((data) => setState({ data, error: null, key }))
        .catch((error) => !abort.signal.aborted && setState((old) => ({ ...old, error })));
    load();
    const timer = setInterval(() => document.visibilityState === "visible" && load(), REFRESH);
    return () => {
      abort.abort();
      clearInterval(timer);
    };
  }, [key, turn]);
  return { ...state, isOld: state.key !== key };
}

export function Overview() {
  const parameters = useObservable(route);
  useObservable(zone);
  const [turn, setTurn] = useState(0);
  const time = parameters.get("time") ?? USUAL;
  const ends = timeOf(changed(parameters, { time }));
  const filter = { triggeredAt: { ...(ends.from && { gte: ends.from }), ...(ends.to && { lt: ends.to }) } };
  const traffic = useAnswer(
    (signal) => execute("Traffic", { filter, bucket: bucketOf(ends) }, { signal }).then(traffics),
    time,
    turn,
  );
  const failures = useAnswer(
    (signal) => read("Failures", { filter, first: GROUPS }, "failureGroups", { signal }),
    time,
    turn,
  );
  const sources = useAnswer((signal) => execute("Sources", {}, { signal }).then(sourcesOf), "", turn);
  const again = () => setTurn(turn + 1);
  useKeys({ ".": again });
  const isRange = time in RANGES;
  return html`<div class="page overview">
    <header class="page-head overview-head">
      <h1>Overview</h1>
      <span class="space"></span>
      <div class="ranges" role="group" aria-label="Time">
        ${Object.keys(RANGES).map(
          (value) => html`<button
            key=${value}
            type="button"
            aria-pressed=${value === time}
            title=${RANGES[value]}
            onClick=${() => update({ time: value })}
          >
            ${value.replace(/^P(?:T)?(\d+)(.)$/, (_, number, unit) => `${number} ${{ M: "min", H: "h", D: "d" }[unit]}`)}
          </button>`,
        )}
      </div>
      <${Button} icon="refresh" label="Load again (.)" onClick=${again} />
    </header>
    <section class="card" aria-labelledby="over-time">
      <${Traffic} answer=${traffic} time=${time} isRange=${isRange} again=${again} />
    </section>
    <div class="below">
      <${SourceStrip} answer=${sources} traffic=${traffic.isOld ? null : traffic.data} time=${time} />
      <${Groups} answer=${failures} time=${time} />
    </div>
  </div>`;
}

function traffics({ data, errors }) {
  if (!data.all) throw new Error(errors[0]?.message ?? "The gateway gave no data.");
  return data;
}

/** The health of a source may be older than the answer of its list. */
const sourcesOf = ({ data, errors }) =>
  data.sources.map((source, index) => {
    const lastError = errors.find(({ path }) => path[1] === index);
    return lastError ? { ...source, health: { ...source.health, status: "DOWN", lastError } } : source;
  });

function Traffic({ answer, time, isRange, again }) {
  const { data, error, isOld } = answer;
  const head = (text) => html`<h2 id="over-time">Deliveries over time <span class="muted">${text}</span></h2>`;
  if (error && !data) return html`${head("")}<${Broken} title="The numbers could not be loaded" error=${error} again=${again} />`;
  if (!data) return html`${head("")}<div class="chart-blank" role="status"><span class="spinner"></span> Counting…</div>`;
  const { all } = data;
  const failed = all.groups.find((group) => group.status === "FAILED")?.found ?? 0;
  const isKnown = all.complete || all.count || all.found;
  const least = (number, isExact) => (isKnown ? html`${!isExact && html`<span title="At least">≥ </span>`}${digits(number)}` : "–");
  const zoom = (from, to) => update({ time: `${new Date(from).toISOString()}~${new Date(to).toISOString()}` });
  const listed = changed(new URLSearchParams({ view: "deliveries" }), { time });
  return html`<div class="card-head">
      ${head(isRange ? RANGES[time].toLowerCase() : "zoomed")}
      <span class="space"></span>
      ${!isRange && html`<${Button} kind="small" icon="left" onClick=${() => update({ time: null })}>Zoom out<//>`}
      <a class="button small" ...${to(listed)}>Show in the list</a>
    </div>
    <${Reports} list=${{ reports: all.sourceReports, length: all.found }} again=${again} />
    <dl class="numbers">
      <div><dt>Deliveries</dt><dd>${least(all.count ?? all.found, all.count !== null)}</dd></div>
      <div class=${failed ? "bad" : ""}>
        <dt>Failed</dt>
        <dd>${least(failed, all.complete)} <small>${all.found ? percent(failed / all.found) : ""}</small></dd>
      </div>
      <div><dt>Median duration</dt><dd>${duration(all.durations?.p50) || "–"}</dd></div>
      <div><dt>95 % within</dt><dd>${duration(all.durations?.p95) || "–"}</dd></div>
    </dl>
    <div class=${isOld ? "old" : ""} aria-busy=${isOld}>
      <${Chart} stats=${all} onZoom=${zoom} />
      <${Legend} groups=${all.groups} />
    </div>
    ${!all.complete &&
    html`<p class="honest">
      <${Icon} name="warning" size=${14} />
      ${all.sampled
        ? `A sample: ${count(all.scanned, "delivery was", "deliveries were")} read. ${all.from ? `The numbers are of the time since ${second(parse(all.from))}. ` : ""}Hatched times were not read to the end, so their bars are the least there is.`
        : "Not all sources could be read, so the numbers are the least there is."}
    </p>`}`;
}

const percent = (share) => (share > 0 && share < 0.001 ? "< 0.1 %" : `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`);

function SourceStrip({ answer, traffic, time }) {
  const { data, error } = answer;
  const numbers = new Map();
  for (const { source, status, found } of traffic?.bySource?.groups ?? []) {
    const one = numbers.get(source.name) ?? { all: 0, failed: 0 };
    one.all += found;
    if (status === "FAILED") one.failed += found;
    numbers.set(source.name, one);
  }
  const failed = traffic?.all.sourceReports.filter(({ outcome }) => outcome !== "OK") ?? [];
  const unread = new Set(failed.map((report) => report.source.name));
  const first = data?.toSorted((one, other) => isFailing(other) - isFailing(one));
  return html`<section aria-labelledby="sources">
    <h2 id="sources" class="section-head">Sources</h2>
    ${error && !data && html`<${Broken} title="The sources could not be loaded" error=${error} />`}
    ${!data && !error && html`<${Skeleton} rows=${3} />`}
    <ul class="strip">
      ${first?.map((source) => html`<${SourceCard} key=${source.name} source=${source} numbers=${numbers.get(source.name)} isUnread=${unread.has(source.name)} isPart=${traffic && !traffic.all.complete} time=${time} />`)}
    </ul>
  </section>`;
}

const isFailing = ({ health }) => health.status === "DOWN" || health.breaker !== "CLOSED";

function Health({ health, bare = true }) {
  const { icon, tone, text } =
    health.breaker !== "CLOSED"
      ? { icon: "slash", tone: "bad", text: "Calls are paused" }
      : health.status === "DOWN"
        ? { icon: "cross", tone: "bad", text: "Fails" }
        : { icon: "check", tone: "good", text: "Responds" };
  return html`<span class=${`status ${tone}`} title=${text}><${Icon} name=${icon} /><span class=${bare ? "hidden" : ""}>${text}</span></span>`;
}

function SourceCard({ source, numbers, isUnread, isPart, time }) {
  const { name, provider, health, logs } = source;
  const next = changed(new URLSearchParams({ view: "deliveries" }), { source: name, time });
  const newest = logs?.nodes[0];
  const report = logs?.sourceReports[0];
  const isDown = health.status === "DOWN";
  const share = numbers?.all ? numbers.failed / numbers.all : 0;
  return html`<li class=${classes("source-card", isDown && "down")}>
    <p class="source-name">
      <${Health} health=${health} />
      <a ...${to(next)}>${name}</a>
      <span class="muted">${title(provider)}</span>
    </p>
    <meter class="share" min="0" max="1" value=${share} aria-label=${`Failed deliveries of ${name}`}></meter>
    <p class="source-line">
      ${numbers ? html`<span><strong class=${numbers.failed ? "bad-text" : ""}>${digits(numbers.failed)}</strong> of ${digits(numbers.all)} failed</span>` : html`<span class="muted">${isUnread ? "Not read" : isPart ? "None that was read" : "None in this time"}</span>`}
      <span class="muted">${numbers?.failed ? percent(share) : ""}</span>
    </p>
    <p class="source-line ages muted">
      ${newest ? html`<span>Newest <${Ago} time=${newest.triggeredAt} /></span>` : html`<span>No delivery</span>`}
      ${report?.fetchedAt && html`<span title="Age of what is shown">read <${Ago} time=${report.fetchedAt} />${report.cache === "STALE" ? " (old)" : ""}</span>`}
    </p>
    ${health.breaker !== "CLOSED" && html`<p class="source-fault">Calls are paused${health.retryAt && ` until ${second(parse(health.retryAt))}`}.</p>`}
    ${isDown && health.lastError && html`<p class="source-fault" title=${health.lastError.message}>${health.lastError.message}</p>`}
  </li>`;
}

function Groups({ answer, time }) {
  const { data, error, isOld } = answer;
  const [at, setAt] = useState(-1);
  const list = useRef();
  const groups = data?.groups ?? [];
  const move = (step) => {
    const next = Math.max(0, Math.min(groups.length - 1, at + step));
    setAt(next);
    list.current?.querySelectorAll("a.group-link")[next]?.focus();
  };
  useKeys({ j: () => move(1), k: () => move(-1), ArrowDown: () => move(1), ArrowUp: () => move(-1) });
  return html`<section aria-labelledby="groups" class="groups">
    <h2 id="groups" class="section-head">
      Failures that belong together
      ${data && html`<span class="muted">${groups.length < data.groupCount ? `${groups.length} of ${data.groupCount}` : data.groupCount}${data.sampled ? "+" : ""}</span>`}
    </h2>
    ${error && !data && html`<${Broken} title="The failures could not be loaded" error=${error} />`}
    ${!data && !error && html`<${Skeleton} rows=${3} />`}
    ${data &&
    !groups.length &&
    html`<${Empty} icon=${data.complete ? "check" : "question"} title=${data.complete ? "No failures" : "No failures that were read"}>
      <p>${data.complete ? `None in ${time in RANGES ? `the ${RANGES[time].toLowerCase()}` : "this time"}.` : "Not everything was read, so there may be some."}</p>
    <//>`}
    ${groups.length > 0 &&
    html`<ol ref=${list} class=${classes("group-list", isOld && "old")}>
      ${groups.map((group, index) => html`<${Group} key=${group.id} group=${group} onFocus=${() => setAt(index)} />`)}
    </ol>`}
  </section>`;
}

function Group({ group, onFocus }) {
  const { id, source, hook, category, statusCode, message, found, firstSeen, lastSeen, share, retryable, sample } = group;
  const next = changed(new URLSearchParams({ view: "deliveries" }), { group: id });
  const one = changed(next, { log: sample.id });
  const canRetry = sample.availableActions.some(({ action, available }) => action === "RETRY" && available);
  const [first, last] = [parse(firstSeen), parse(lastSeen)];
  return html`<li class="group" onClick=${(event) => !event.target.closest("a") && !String(getSelection()) && go(next)}>
    <p class="group-when">
      <strong><${Ago} time=${last} /></strong>
      <span class="muted">${first < last ? html`first <${Ago} time=${first} />` : "once"}</span>
    </p>
    <div class="group-what">
      <p><span class="category">${CATEGORIES[category]}${statusCode ? ` ${statusCode}` : ""}</span> <a class="group-link" ...${to(next)} onFocus=${onFocus}>${message}</a></p>
      <p class="muted">
        ${source.name} · ${hook?.name ?? (hostOf(hook?.url ?? sample.request?.url) || "no hook")}
        ${canRetry && retryable > 0 && html` · <span class="retryable"><${Icon} name="retry" size=${12} />${retryable === found ? "likely to work if sent again" : `${retryable} likely to work if sent again`}</span>`}
      </p>
    </div>
    <p class="group-count">
      <strong>${group.count === null ? html`<span title="At least">≥ </span>` : ""}${digits(found)}</strong>
      <span class="muted">${share == null ? "" : html`${percent(share)} <span class="of">of the hook</span>`}</span>
    </p>
    <a class="button small" ...${to(one)}>Open newest</a>
  </li>`;
}

// Deliveries over time: a bar for each bucket, failures at its foot. It is drawn as SVG, so that it
// follows the theme, and so that keys and screen readers reach it.

const HEIGHT = 168;
const FOOT = 22;
const SIDE = 40;
const ORDER = ["FAILED", "PENDING", "UNKNOWN", "CANCELLED", "SUCCEEDED"];

/** Return a round number that is not below a number, and its steps. */
function scaleTo(most) {
  const power = 10 ** Math.floor(Math.log10(Math.max(most, 1)));
  const step = [0.25, 0.5, 1, 2, 2.5, 3].map((part) => part * power).find((one) => Number.isInteger(one) && most / one <= 4);
  const top = Math.max(1, Math.ceil(most / step)) * step;
  return { top, steps: Array.from({ length: Math.round(top / step) + 1 }, (_, index) => index * step) };
}

function barsOf({ buckets, groups }) {
  const byStatus = new Map(groups.map((group) => [group.status, group.bucketFound]));
  return buckets.map((bucket, index) => ({
    start: parse(bucket.start),
    end: parse(bucket.end),
    isGap: bucket.found === null,
    isPart: bucket.count === null,
    found: bucket.found ?? 0,
    parts: ORDER.map((status) => [status, byStatus.get(status)?.[index] ?? 0]),
  }));
}

/** Return the texts below the axis: at round times, 110 pixels apart at least. */
function ticksOf(bars, width) {
  const [begin, end] = [bars[0].start, bars.at(-1).end];
  const least = Math.max(1, ((end - begin) * 110) / width / MINUTE);
  const every = SIZES.find((minutes) => minutes >= least) ?? SIZES.at(-1);
  const isLong = end - begin > 1440 * MINUTE;
  const stepOf = (ms) => Math.floor((ms / MINUTE - (zone.value === "utc" ? 0 : new Date(ms).getTimezoneOffset())) / every);
  const ticks = [];
  bars.forEach(({ start }, index) => {
    if (stepOf(start) === stepOf(bars[index - 1]?.start ?? begin)) return;
    const isNewDay = !ticks.length || dayOf(bars[ticks.at(-1).index].start) !== dayOf(start);
    ticks.push({ index, text: every < 1440 ? `${isLong && isNewDay ? `${date(start)}, ` : ""}${minute(start)}` : date(start) });
  });
  return ticks.length ? ticks : [{ index: 0, text: minute(begin) }];
}

/** The chart; `onZoom` gets the two ends, in Unix milliseconds, of what was dragged over. */
function Chart({ stats, onZoom }) {
  const box = useRef();
  const [width, setWidth] = useState(900);
  const [cursor, setCursor] = useState(null);
  const [anchor, setAnchor] = useState(null);
  useLayoutEffect(() => {
    const resized = new ResizeObserver(([entry]) => setWidth(Math.max(240, entry.contentRect.width)));
    resized.observe(box.current);
    return () => resized.disconnect();
  }, []);
  const bars = barsOf(stats);
  if (!bars.length) return html`<div ref=${box} class="chart muted">Nothing was read in this time.</div>`;
  const { top, steps } = scaleTo(Math.max(...bars.map((bar) => bar.found)));
  const inner = width - SIDE;
  const step = inner / bars.length;
  const x = (index) => SIDE + index * step;
  const y = (value) => HEIGHT - FOOT - (value / top) * (HEIGHT - FOOT - 8);
  const indexAt = (event) => {
    const at = event.clientX - box.current.getBoundingClientRect().left - SIDE;
    return Math.max(0, Math.min(bars.length - 1, Math.floor(at / step)));
  };
  const range = anchor !== null && cursor !== null ? [anchor, cursor].sort((a, b) => a - b) : null;
  const zoom = ([from, to]) => {
    setAnchor(null);
    onZoom(bars[from].start, bars[to].end);
  };
  const key = (event) => {
    const now = cursor ?? bars.length - 1;
    const moves = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: bars.length - 1 };
    if (event.key in moves) {
      if (!event.shiftKey) setAnchor(null);
      else if (anchor === null) setAnchor(now);
      setCursor(Math.max(0, Math.min(bars.length - 1, moves[event.key])));
    } else if (event.key === "Enter") zoom(range ?? [now, now]);
    else if (event.key === "Escape" && range) setAnchor(null);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const current = bars[cursor ?? -1];
  return html`<div
    ref=${box}
    class="chart"
    tabindex="0"
    role="slider"
    aria-label="Deliveries over time. Arrows move, Shift and arrows choose a span, Enter zooms in"
    aria-valuemin="0"
    aria-valuemax=${bars.length - 1}
    aria-valuenow=${cursor ?? bars.length - 1}
    aria-valuetext=${spoken(current ?? bars.at(-1))}
    onKeyDown=${key}
    onPointerDown=${(event) => {
      if (event.button) return;
      event.currentTarget.setPointerCapture(event.pointerId);
      setAnchor(indexAt(event));
      setCursor(indexAt(event));
    }}
    onPointerMove=${(event) => setCursor(indexAt(event))}
    onPointerUp=${() => {
      if (range && range[1] > range[0]) zoom(range);
      else setAnchor(null);
    }}
    onPointerCancel=${() => setAnchor(null)}
    onPointerLeave=${() => anchor === null && setCursor(null)}
    onBlur=${() => setCursor(null)}
  >
    <svg width=${width} height=${HEIGHT} aria-hidden="true">
      <defs>
        <pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
          <path d="M0 0v6" class="hatch" />
        </pattern>
      </defs>
      ${steps.map(
        (value) => html`<g key=${value}>
          <path class=${value ? "line" : "line base"} d=${`M${SIDE} ${y(value) + 0.5}H${width}`} />
          <text x=${SIDE - 7} y=${y(value) + 4} text-anchor="end">${digits(value)}</text>
        </g>`,
      )}
      ${bars.map((bar, index) => {
        let foot = 0;
        return html`<g key=${bar.start} class=${bar.isPart ? "part" : ""}>
          ${(bar.isGap || bar.isPart) && html`<rect x=${x(index)} y="8" width=${step} height=${HEIGHT - FOOT - 8} class="unread" fill="url(#hatch)" />`}
          ${bar.parts.map(([status, number]) => {
            if (!number) return null;
            const from = y(foot);
            foot += number;
            const height = Math.max(from - y(foot), 1.5);
            return html`<rect class=${`of-${status.toLowerCase()}`} x=${x(index) + step * 0.1} width=${step * 0.8} y=${from - height} height=${height} rx="1" />`;
          })}
        </g>`;
      })}
      ${ticksOf(bars, inner).map(({ index, text }) => html`<text key=${index} x=${Math.min(x(index), width - 24)} y=${HEIGHT - 6} text-anchor="middle">${text}</text>`)}
      ${range && html`<rect class="chosen" x=${x(range[0])} y="8" width=${x(range[1] + 1) - x(range[0])} height=${HEIGHT - FOOT - 8} />`}
      ${current && html`<rect class="cursor" x=${x(cursor)} y="8" width=${step} height=${HEIGHT - FOOT - 8} />`}
    </svg>
    ${current && html`<${Tip} bar=${current} x=${x(cursor) + step / 2} width=${width} />`}
  </div>`;
}

const span = ({ start, end }) => {
  const form = end - start < 60_000 ? clock : minute;
  return `${date(start)}, ${form(start)} to ${dayOf(start) === dayOf(end) ? "" : `${date(end)}, `}${form(end)}`;
};

function spoken(bar) {
  const parts = bar.parts.filter(([, number]) => number).map(([status, number]) => `${number} ${STATUSES[status].name.toLowerCase()}`);
  const known = bar.isGap ? "not read" : parts.join(", ") || "none";
  return `${span(bar)}: ${known}${bar.isPart && !bar.isGap ? ", not all of them were read" : ""}`;
}

function Tip({ bar, x, width }) {
  const side = x > width / 2 ? { right: `${width - x + 12}px` } : { left: `${x + 12}px` };
  return html`<div class="tip" style=${side}>
    <strong>${span(bar)}</strong>
    ${bar.isGap
      ? html`<p class="muted">Not read: this is a gap, not a zero.</p>`
      : bar.parts
          .filter(([, number]) => number)
          .map(([status, number]) => html`<p key=${status}><${Status} value=${status} /><span>${digits(number)}</span></p>`)}
    ${!bar.isGap && !bar.found && html`<p class="muted">${bar.isPart ? "None that was read." : "None."}</p>`}
    ${!bar.isGap && bar.isPart && html`<p class="muted">At least: not all were read.</p>`}
  </div>`;
}

const Legend = ({ groups }) => html`<ul class="legend">
  ${ORDER.map((status) => groups.find((group) => group.status === status))
    .filter((group) => group?.found)
    .map(
      ({ status, found }) => html`<li key=${status}>
        <i class=${`of-${status.toLowerCase()}`}></i><${Status} value=${status} /> <span>${digits(found)}</span>
      </li>`,
    )}
</ul>`;
