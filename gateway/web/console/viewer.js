// Who the caller is, and what it may do.
import { execute } from "./client.js";
import { observable } from "./lib.js";
import { ROLES } from "./names.js";

/** The caller and its sources; null until the gateway has told. */
export const me = observable(null);

/** Ask the gateway. Throws GatewayError. */
export async function loadMe() {
  const { data } = await execute("Me");
  me.value = { viewer: data.viewer, sources: data.sources };
}

/** Return whether the caller has at least this role for a source, or for any source. */
export function mayAct(role, source = null) {
  const needed = ROLES.indexOf(role);
  return (me.value?.viewer.grants ?? []).some(
    (grant) =>
      ROLES.indexOf(grant.role) >= needed &&
      (source === null || grant.sources === null || grant.sources.includes(source)),
  );
}

/** Return the highest role of the caller. */
export function highestRole() {
  return ROLES.findLast((role) => mayAct(role)) ?? null;
}
