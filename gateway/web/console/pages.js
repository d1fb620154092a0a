// The pages of a list that has no end, of which only those near the window are held. The others
// keep their cursor and their times, from which their height is known.
import { read } from "./client.js";
import { dayOf, parse } from "./time.js";

const PAGE = 100;
const HELD = 2000;
/** Pages without a row that are read on before the reader is asked. */
const PATIENCE = 4;

/** A page of rows. `rows` is null while it is not held. */
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
export class Pages {
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

  /** Stop all requests. */
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

  /** Read the next page. */
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
        const { nodes, pageInfo } = await read("Deliveries", variables, "webhookLogs", { signal });
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

  /** Put what is new on top. */
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

  /** Return the page and index of a row that is held; null if it is not. */
  find(id) {
    for (const page of this.pages) {
      const index = page.rows?.findIndex((row) => row.id === id) ?? -1;
      if (index >= 0) return { page, index };
    }
    return null;
  }

  /** Put the row of the same id in place of an older one. */
  replace(row) {
    const found = this.find(row.id);
    if (!found) return;
    const rows = [...found.page.rows];
    rows[found.index] = slim(row);
    found.page.fill(rows);
    this.changed();
  }

  /** Take rows out that were deleted. */
  remove(ids) {
    for (const page of this.pages)
      if (page.rows?.some((row) => ids.has(row.id)))
        page.fill(page.rows.filter((row) => !ids.has(row.id)));
    this.changed();
  }

  /** Return the row that lies so many rows after a place, or null. */
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
