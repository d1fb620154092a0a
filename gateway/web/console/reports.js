// What could not be read, told above the list instead of in place of it.
import { html, useState } from "./lib.js";
import { count, words } from "./names.js";
import { Ago, Button, Icon } from "./ui.js";

/** Sources that failed, that show old data, or whose rows could not be read. */
export function Reports({ list, again }) {
  const [isOpen, setOpen] = useState(false);
  const problems = list.reports.map(problemOf).filter(Boolean);
  if (!problems.length) return null;
  const failed = problems.filter((problem) => problem.isFailure);
  const names = problems.map((problem) => problem.name);
  const summary = failed.length
    ? `${list.length ? "Not everything is here: " : ""}${listed(failed.map((one) => one.name))} could not be read.`
    : `${listed(names)}: ${problems[0].text}`;
  return html`<div class=${failed.length ? "reports bad" : "reports"} role="status">
    <${Icon} name="warning" />
    <p>${summary}</p>
    <${Button} kind="plain" aria-expanded=${isOpen} onClick=${() => setOpen(!isOpen)}>${isOpen ? "Less" : "Details"}<//>
    <${Button} kind="plain" icon="refresh" onClick=${again}>Try again<//>
    ${isOpen &&
    html`<ul>
      ${problems.map(
        ({ name, text, code, more, since }) => html`<li key=${name}>
          <strong>${name}</strong> ${text}${since && html` Shown as of <${Ago} time=${since} />.`}
          ${more && html`<span class="muted"> The vendor says: ${more}</span>`}
          ${code && html` <code>${code}</code>`}
        </li>`,
      )}
    </ul>`}
  </div>`;
}

function problemOf(report) {
  const { source, outcome, error, cache, fetchedAt, unreadable, unreadableReasons } = report;
  const { name } = source;
  if (outcome !== "OK")
    return {
      name,
      isFailure: true,
      text: error?.message ?? `${words(outcome)}.`,
      code: error?.code,
      more: error?.vendorMessage,
      since: cache === "STALE" ? fetchedAt : null,
    };
  if (unreadable)
    return {
      name,
      text: `${count(unreadable, "row")} could not be read. ${unreadableReasons.join(" ")}`,
    };
  if (cache === "STALE" && error) return { name, text: error.message, since: fetchedAt };
  return null;
}

/** Return names as a list: a, b and c. */
const listed = (names) =>
  names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
