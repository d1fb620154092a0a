// The keys and where they work.
import { html, useObservable } from "./lib.js";
import { KEY_MAP } from "./keys.js";
import { shortcuts } from "./preferences.js";
import { Dialog } from "./ui.js";

export function HelpDialog({ onClose }) {
  const isOn = useObservable(shortcuts);
  return html`<${Dialog} title="Keyboard" onClose=${onClose} wide>
    <div class="key-map">
      ${KEY_MAP.map(
        ([group, keys]) => html`<section key=${group}>
          <h3>${group}</h3>
          <dl>
            ${keys.map(
              ([key, text]) => html`<div>
                <dt>${key.split(" ").filter(Boolean).map((one) => html`<kbd>${one}</kbd>`)}</dt>
                <dd>${text}</dd>
              </div>`,
            )}
          </dl>
        </section>`,
      )}
    </div>
    <label class="check">
      <input type="checkbox" checked=${isOn} onChange=${(event) => (shortcuts.value = event.target.checked)} />
      <span>Single keys are shortcuts</span>
    </label>
  <//>`;
}
