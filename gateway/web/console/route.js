// What is shown stands in the query of the URL, so that it survives a reload and can be sent to
// others. The key never does.
import { observable } from "./lib.js";

const read = () => new URLSearchParams(location.search);

/** The parameters of the URL; never changed in place. */
export const route = observable(read());

addEventListener("popstate", () => {
  route.value = read();
});

/** The screens by their names in the URL. */
export const SCREENS = ["overview", "deliveries", "journal"];

/** Return the name of the screen that the parameters show. */
export function screenOf(parameters) {
  const view = parameters.get("view");
  return SCREENS.includes(view) ? view : SCREENS[0];
}

/** Return the parameters with changes: a text, a list of texts, or null to remove one. */
export function changed(parameters, changes) {
  const next = new URLSearchParams(parameters);
  for (const [name, value] of Object.entries(changes)) {
    next.delete(name);
    for (const one of [value ?? []].flat()) next.append(name, one);
  }
  return next;
}

/** Return the address with these parameters, relative to the page. */
export const address = (parameters) => `?${parameters}`;

/** Show what the parameters say. Unless it replaces the current entry, Back leads here again. */
export function go(parameters, { replace = false } = {}) {
  if (String(parameters) === String(route.value)) return;
  history[replace ? "replaceState" : "pushState"](null, "", address(parameters));
  route.value = parameters;
}

/** Change some parameters, as `changed` does, and show the result. */
export const update = (changes, options) => go(changed(route.value, changes), options);

/** A handler for links that stay in the page; other clicks open them as usual. */
export function follow(parameters) {
  return (event) => {
    if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey)
      return;
    event.preventDefault();
    go(parameters);
  };
}
