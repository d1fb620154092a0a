// Keyboard shortcuts. The component that registered a key last has it.
import { useEffect, useRef } from "./lib.js";
import { shortcuts } from "./preferences.js";

const layers = [];
let prefix = "";
let timer;

const TEXT = "input:not([type=checkbox],[type=radio]), textarea, select, [contenteditable]";

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  const name = event.key;
  const at = event.target instanceof Element ? event.target : document.body;
  const isSingle = name.length === 1;
  if (at.closest("dialog, [popover]") || (at.matches(TEXT) && name !== "Escape")) return;
  // A focused control has Enter and Space for itself.
  if ((name === "Enter" || name === " ") && at.closest("a, button, input, summary")) return;
  if (isSingle && !shortcuts.value) return;
  const sequence = prefix ? `${prefix} ${name}` : name;
  clearTimeout(timer);
  prefix = "";
  const action = find(sequence) ?? find(name);
  if (action) {
    event.preventDefault();
    action(event);
  } else if (layers.some((keys) => Object.keys(keys.current).some((key) => key.startsWith(`${name} `)))) {
    prefix = name;
    timer = setTimeout(() => (prefix = ""), 1000);
  }
});

function find(name) {
  for (let index = layers.length - 1; index >= 0; index--)
    if (layers[index].current[name]) return layers[index].current[name];
  return null;
}

/** Have these keys do something as long as the component is shown: { j: next, "g o": overview }. */
export function useKeys(keys) {
  const held = useRef(keys);
  held.current = keys;
  useEffect(() => {
    layers.push(held);
    return () => layers.splice(layers.indexOf(held), 1);
  }, []);
}

/** All keys as the help shows them, by group. */
export const KEY_MAP = [
  [
    "Everywhere",
    [
      ["g o", "Overview"],
      ["g d", "Deliveries"],
      ["g j", "Journal"],
      [".", "Load again"],
      ["z", "Switch between local time and UTC"],
      ["?", "This help"],
    ],
  ],
  [
    "List of deliveries",
    [
      ["j  k", "Next, previous"],
      ["Enter", "Open"],
      ["x", "Select"],
      ["a", "Select all that are loaded"],
      ["r", "Retry the selected ones, or the current one"],
      ["n", "Show new deliveries"],
      ["/", "Search"],
      ["Esc", "Close, or clear the selection"],
    ],
  ],
  [
    "Delivery",
    [
      ["r", "Retry"],
      ["c", "Copy the id"],
      ["u", "Copy as curl"],
      ["Esc", "Close"],
    ],
  ],
];
