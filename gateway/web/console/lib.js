// Preact with htm, whose templates are tagged literals, so that nothing has to be compiled; and
// values that components observe.
import { createElement, Fragment, render } from "./preact.mjs";
import { useLayoutEffect, useReducer } from "./preact-hooks.mjs";
import htm from "./htm.mjs";

export { useEffect, useLayoutEffect, useMemo, useReducer, useRef, useState } from "./preact-hooks.mjs";
export { Fragment, render };

export const html = htm.bind(createElement);

/** Return an object with a value that others can watch. */
export function observable(initial) {
  let value = initial;
  const watchers = new Set();
  return {
    get value() {
      return value;
    },
    set value(next) {
      if (Object.is(value, next)) return;
      value = next;
      for (const watcher of [...watchers]) watcher(value);
    },
    watch(watcher) {
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
  };
}

/** Return the value of an observable, and render the component again when it changes. */
export function useObservable(source) {
  const [, again] = useReducer((count) => count + 1, 0);
  const shown = source.value;
  useLayoutEffect(() => {
    if (!Object.is(source.value, shown)) again();
    return source.watch(again);
  }, [source]);
  return shown;
}

/** Render the component again every so many milliseconds, for times such as "3 min ago". */
export function useTick(period) {
  const [, again] = useReducer((count) => count + 1, 0);
  useLayoutEffect(() => {
    const timer = setInterval(again, period);
    return () => clearInterval(timer);
  }, [period]);
}

/** Join class names, leaving out those that are false. */
export const classes = (...names) => names.filter(Boolean).join(" ");
