// Deliveries over time: a bar for each bucket, failures at its foot. It is drawn as SVG, so that it
// follows the theme, and so that keys and screen readers reach it.
import { html, useLayoutEffect, useRef, useState } from "./lib.js";
import { STATUSES, digits } from "./names.js";
import { clock, date, dayOf, minute, parse } from "./time.js";
import { Status } from "./ui.js";

const HEIGHT = 168;
const FOOT = 22;
const SIDE = 40;
/** From the foot to the top of a bar. */
const ORDER = ["FAILED", "PENDING", "UNKNOWN", "CANCELLED", "SUCCEEDED"];

/** Return a round number that is not below a number, and its steps. */
function scaleTo(most) {
  const power = 10 ** Math.floor(Math.log10(Math.max(most, 1)));
  const step = [0.25, 0.5, 1, 2, 2.5].map((part) => part * power).find((one) => one >= 1 && most / one <= 4) ?? 2.5 * power;
  const top = Math.max(1, Math.ceil(most / step)) * step;
  return { top, steps: Array.from({ length: Math.round(top / step) + 1 }, (_, index) => index * step) };
}

/** Return the buckets with their times, and what was found of each status. */
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

/** Return the texts below the axis: about one each 110 pixels, at round times. */
function ticksOf(bars, width) {
  const every = Math.max(1, Math.ceil((bars.length * 110) / width));
  const isLong = bars.at(-1).end - bars[0].start > 36 * 3_600_000;
  const ticks = [];
  for (let index = every >> 1; index < bars.length - every / 3; index += every) {
    const { start } = bars[index];
    const isNewDay = !ticks.length || dayOf(bars[ticks.at(-1).index].start) !== dayOf(start);
    ticks.push({ index, text: isLong ? `${isNewDay ? `${date(start)}, ` : ""}${minute(start)}` : minute(start) });
  }
  return ticks;
}

/** The chart; `onZoom` gets the two ends, in Unix milliseconds, of what was dragged over. */
export function Chart({ stats, onZoom }) {
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
          ${(bar.isGap || bar.isPart) && html`<rect x=${x(index)} y="8" width=${step} height=${HEIGHT - FOOT - 8} fill="url(#hatch)" />`}
          ${bar.parts.map(([status, number]) => {
            if (!number) return null;
            const from = y(foot);
            foot += number;
            const height = Math.max(from - y(foot), 1.5);
            return html`<rect class=${`bar-${status.toLowerCase()}`} x=${x(index) + step * 0.1} width=${step * 0.8} y=${from - height} height=${height} rx="1" />`;
          })}
        </g>`;
      })}
      ${ticksOf(bars, inner).map(({ index, text }) => html`<text key=${index} x=${x(index)} y=${HEIGHT - 6}>${text}</text>`)}
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

/** The statuses that are in the chart, with their numbers. */
export const Legend = ({ groups }) => html`<ul class="legend">
  ${ORDER.map((status) => groups.find((group) => group.status === status))
    .filter((group) => group?.found)
    .map(
      ({ status, found }) => html`<li key=${status}>
        <i class=${`key-${status.toLowerCase()}`}></i><${Status} value=${status} /> <span>${digits(found)}</span>
      </li>`,
    )}
</ul>`;
