// Times as people read them, in the chosen zone.
import { zone } from "./preferences.js";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const FORMS = {
  clock: { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" },
  minute: { hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
  day: { weekday: "short", day: "numeric", month: "short" },
  date: { day: "numeric", month: "short" },
  year: { weekday: "short", day: "numeric", month: "short", year: "numeric" },
  full: {
    day: "numeric",
    month: "short",
    year: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    fractionalSecondDigits: 3,
    hourCycle: "h23",
    timeZoneName: "short",
  },
};
const made = new Map();

function formatted(form, ms) {
  const utc = zone.value === "utc";
  const name = form + utc;
  if (!made.has(name)) {
    const options = { ...FORMS[form], ...(utc && { timeZone: "UTC" }) };
    made.set(name, new Intl.DateTimeFormat("en-GB", options));
  }
  return made.get(name).format(ms);
}

/** Return 12:30:36. */
export const clock = (ms) => formatted("clock", ms);
/** Return 12:30. */
export const minute = (ms) => formatted("minute", ms);
/** Return 29 Nov. */
export const date = (ms) => formatted("date", ms);
/** Return 29 Nov 2026, 12:30:36.431 UTC. */
export const full = (ms) => formatted("full", ms);

/** Return a number that is the same for all times of one day. */
export function dayOf(ms) {
  if (Number.isNaN(ms)) return -1;
  if (zone.value === "utc") return Math.floor(ms / DAY);
  const at = new Date(ms);
  return (at.getFullYear() * 12 + at.getMonth()) * 31 + at.getDate();
}

/** Return Today, Yesterday, or Thu, 27 Nov. */
export function dayName(ms, now = Date.now()) {
  if (Number.isNaN(ms)) return "Without a time";
  const name = formatted("day", ms);
  if (dayOf(ms) === dayOf(now)) return `Today, ${date(ms)}`;
  if (dayOf(ms) === dayOf(now - DAY)) return `Yesterday, ${date(ms)}`;
  return now - ms > 300 * DAY ? formatted("year", ms) : name;
}

/** Return 4 s, 3 min, 5 h or 2 d. */
export function ago(ms, now = Date.now()) {
  const passed = Math.max(0, now - ms);
  if (passed < MINUTE) return `${Math.floor(passed / SECOND)} s`;
  if (passed < HOUR) return `${Math.floor(passed / MINUTE)} min`;
  if (passed < DAY) return `${Math.floor(passed / HOUR)} h`;
  return `${Math.floor(passed / DAY)} d`;
}

/** Return 593 ms, 1.25 s or 2 min. */
export function duration(ms) {
  if (ms == null) return "";
  if (ms < 1000) return `${ms < 10 ? Number(ms.toFixed(1)) : Math.round(ms)} ms`;
  if (ms < MINUTE) return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
  return `${(ms / MINUTE).toFixed(1)} min`;
}

/** Return Unix milliseconds of the gateway's text; NaN for null. */
export const parse = (text) => (text ? Date.parse(text) : NaN);

/** Return the name of the zone in which times are shown. */
export function zoneName() {
  if (zone.value === "utc") return "UTC";
  const parts = new Intl.DateTimeFormat("en-GB", { timeZoneName: "short" }).formatToParts();
  return parts.find((part) => part.type === "timeZoneName").value;
}
