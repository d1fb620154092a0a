// Retry and delete: one delivery or many, and what came of it in words.
import { GatewayError, read } from "./client.js";
import { Dialog, Button, Icon, say } from "./ui.js";
import { html, observable, useObservable } from "./lib.js";
import { count } from "./names.js";

const AT_ONCE = 3;

/** Return an unguessable text; browsers have no randomUUID without TLS. */
function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `console-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

/**
 * Send a delivery again. The same idempotency key is used when the answer was lost, so that it is
 * sent once. Returns the payload; throws GatewayError, also for an error of the vendor.
 */
export async function retry(id) {
  const key = newKey();
  const attempt = () => read("Retry", { id, key }, "retryWebhookLog");
  const payload = await attempt().catch((error) => {
    if (error.kind === "unreachable") return attempt();
    throw error;
  });
  throwFirst(payload.userErrors);
  return payload;
}

/** Delete a delivery. Throws GatewayError. */
export async function remove(id) {
  const payload = await read("Delete", { id }, "deleteWebhookLog");
  throwFirst(payload.userErrors);
  return payload;
}

function throwFirst([error]) {
  if (!error) return;
  const { code, message, vendorMessage, retryAfter } = error;
  const words = vendorMessage && !message.includes(vendorMessage) ? `${message} ${vendorMessage}` : message;
  throw new GatewayError("failed", words, { code, wait: retryAfter ?? null });
}

/** Say what a retry did; `show` opens the delivery of an id, `again` loads the list. */
export function sayRetried({ kind, webhookLog, replacement }, { show, again }) {
  if (kind === "NEW_LOG" && replacement)
    return say({
      text: "Sent again as a new delivery.",
      tone: "good",
      action: { name: "Show", run: () => show(replacement.id) },
    });
  if (kind === "NEW_LOG")
    return say({
      text: "The vendor has accepted it. The new delivery will be in the list in a moment.",
      tone: "wait",
      action: { name: "Load again", run: again },
    });
  if (kind === "MANY_LOGS")
    return say({
      text: "Sent again, and others with it.",
      tone: "good",
      action: { name: "Load again", run: again },
    });
  if (webhookLog?.status === "SUCCEEDED") return say({ text: "Sent again, and it succeeded.", tone: "good" });
  if (webhookLog?.status === "FAILED") return say({ text: "Sent again, and it failed again.", tone: "bad" });
  return say({ text: "Sent again. The result is still to come.", tone: "wait" });
}

/** What is done with many deliveries: null, or the state that `BulkDialog` shows. */
export const bulk = observable(null);

/** Open the dialog for doing something with many rows; `kind` is "retry" or "delete". */
export function openBulk(kind, rows, { done }) {
  const reasonOf = (row) => (kind === "retry" ? row.noRetry : row.noDelete);
  const able = rows.filter((row) => !reasonOf(row));
  const unable = Map.groupBy(
    rows.filter((row) => reasonOf(row)),
    reasonOf,
  );
  bulk.value = { kind, able, unable, state: "asking", results: [], done };
}

async function run() {
  const { kind, able, done } = bulk.value;
  const queue = [...able];
  const results = [];
  const set = (changes) => {
    if (bulk.value) bulk.value = { ...bulk.value, ...changes };
  };
  set({ state: "running", results });
  const worker = async () => {
    while (queue.length && bulk.value?.state === "running") {
      const row = queue.shift();
      try {
        const payload = await (kind === "retry" ? retry(row.id) : remove(row.id));
        results.push({ row, payload });
      } catch (error) {
        results.push({ row, error });
        if (error.kind === "locked") queue.length = 0;
      }
      set({ results: [...results] });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  set({ state: "done", results });
  done(results);
}

const WORDS = {
  retry: { title: "Retry deliveries", verb: "Retry", past: "sent again", doing: "Sending again", kind: "primary" },
  delete: { title: "Delete deliveries", verb: "Delete", past: "deleted", doing: "Deleting", kind: "danger" },
};

/** Asks first, shows the progress, and sums up. */
export function BulkDialog() {
  const shown = useObservable(bulk);
  if (!shown) return null;
  const { kind, able, unable, state, results } = shown;
  const words = WORDS[kind];
  const close = () => (bulk.value = null);
  const failed = results.filter((result) => result.error);
  const total = able.length;
  return html`<${Dialog} title=${words.title} onClose=${state === "running" ? () => {} : close}>
    ${state === "asking" && html`<${Question} ...${{ kind, able, unable }} />`}
    ${state !== "asking" &&
    html`<div class="progress-box">
      <progress max=${total} value=${results.length} aria-label=${words.doing}></progress>
      <p aria-live="polite">
        ${state === "running"
          ? `${words.doing}: ${results.length} of ${total}`
          : `${count(results.length - failed.length, "delivery", "deliveries")} ${words.past}${
              failed.length ? `, ${failed.length} refused or failed` : ""
            }${results.length < total ? `, ${total - results.length} left alone` : ""}.`}
      </p>
      ${failed.length > 0 && html`<${Failures} failed=${failed} />`}
    </div>`}
    <footer class="row-of-buttons">
      ${state === "asking" &&
      html`<${Button} autofocus=${kind === "delete"} onClick=${close}>Cancel<//>
        <${Button} kind=${words.kind} autofocus=${kind === "retry"} reason=${total ? null : "None of them can be."} onClick=${run}>
          ${words.verb} ${count(total, "delivery", "deliveries")}<//
        >`}
      ${state === "running" &&
      html`<${Button} onClick=${() => (bulk.value = { ...bulk.value, state: "stopping" })}>Stop<//>`}
      ${(state === "done" || state === "stopping") && html`<${Button} kind="primary" onClick=${close}>Close<//>`}
    </footer>
  <//>`;
}

function Question({ kind, able, unable }) {
  const sources = [...new Set(able.map((row) => row.source))].sort();
  return html`<div>
    ${able.length > 0 &&
    html`<p>
      ${kind === "retry"
        ? `The vendor will send ${count(able.length, "delivery", "deliveries")} again, of `
        : `The vendor will delete ${count(able.length, "delivery", "deliveries")} for good, of `}
      ${sources.map((name, index) => html`${index > 0 && ", "}<strong>${name}</strong>`)}.
      ${kind === "delete" && " This can't be undone."}
    </p>`}
    ${unable.size > 0 &&
    html`<div class="note">
      <${Icon} name="slash" />
      <ul>
        ${[...unable].map(
          ([reason, rows]) => html`<li><strong>${count(rows.length, "delivery", "deliveries")}</strong>: ${reason}</li>`,
        )}
      </ul>
    </div>`}
  </div>`;
}

function Failures({ failed }) {
  const byReason = Map.groupBy(failed, ({ error }) => error.message);
  return html`<ul class="failures">
    ${[...byReason].map(
      ([reason, those]) => html`<li>
        <strong>${those.length === 1 ? (those[0].row.event ?? those[0].row.upstreamId) : count(those.length, "delivery", "deliveries")}</strong>
        ${" "}${reason}
      </li>`,
    )}
  </ul>`;
}
