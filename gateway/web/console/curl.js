// The request as a command for a shell.

const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

/** Headers that curl sets itself, from the URL and the body. */
const OWN = new Set(["host", "content-length", "connection", "accept-encoding", "transfer-encoding"]);

/** Return a command that sends a request; its first lines name what is masked or not recorded. */
export function curlOf(request) {
  const { url, method, headers, body } = request;
  const sent = (headers ?? []).filter(({ name }) => !OWN.has(name.toLowerCase()));
  const notes = [];
  const maskedNames = sent.filter(({ redacted, value }) => redacted || value == null).map(({ name }) => name);
  if (url?.includes("***")) maskedNames.unshift("parts of the URL");
  if (body?.includes("***")) maskedNames.push("parts of the body");
  if (maskedNames.length) notes.push(`Masked, fill in before sending: ${maskedNames.join(", ")}.`);
  if (!method) notes.push("The vendor does not record the method; POST is the usual one.");
  if (headers == null) notes.push("The vendor does not record the headers.");
  if (body == null) notes.push("The vendor does not record the body.");
  const lines = [`curl -X ${method ?? "POST"} ${quoted(url ?? "https://receiver.invalid/")}`];
  for (const { name, value } of sent) lines.push(`  -H ${quoted(`${name}: ${value ?? "***"}`)}`);
  if (body != null) lines.push(`  --data-binary ${quoted(body)}`);
  return [...notes.map((note) => `# ${note}`), lines.join(" \\\n")].join("\n");
}
