/**
 * A request, with places for what only the run knows: `{S+2}` is the index at the beginning of the sequence plus 2, and
 * `{N+2}` the same as the name of an in-order key, 20 digits long. Characters stand for bytes (ISO 8859-1).
 */
export interface Request {
  readonly method: string;
  /** The target of the first line, with its query. */
  readonly target: string;
  readonly body: string;
  /** Undefined: no such header. */
  readonly contentType: string | undefined;
  readonly chunked: boolean;
}

export type Step =
  | ({ readonly do: "ask" } & Request)
  /** A write with a lifetime that is over at once or after a second; ends when the key has expired. */
  | { readonly do: "expire"; readonly target: string; readonly body: string };

export function filledIn(text: string, startIndex: number): string {
  return text.replaceAll(/\{([SN])([+-]\d+)\}/g, (_, kind: string, offset: string) => {
    const index = String(startIndex + Number(offset));
    return kind === "S" ? index : index.padStart(20, "0");
  });
}

/** The bytes of a request. */
export function requestBytes(request: Request, startIndex: number): Buffer {
  const body = Buffer.from(filledIn(request.body, startIndex), "latin1");
  const lines = [`${request.method} ${filledIn(request.target, startIndex)} HTTP/1.1`, "Host: 127.0.0.1"];
  if (request.contentType !== undefined) lines.push(`Content-Type: ${request.contentType}`);
  if (request.chunked) lines.push("Transfer-Encoding: chunked");
  else if (body.length > 0 || request.method === "PUT" || request.method === "POST")
    lines.push(`Content-Length: ${body.length}`);
  const head = Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
  return Buffer.concat([head, request.chunked ? chunks(body) : body]);
}

/** In two pieces, so that the joint is somewhere. */
function chunks(body: Buffer): Buffer {
  const middle = body.length >> 1;
  const pieces = [body.subarray(0, middle), body.subarray(middle)].filter((piece) => piece.length > 0);
  const framed = pieces.flatMap((piece) => [
    Buffer.from(`${piece.length.toString(16)}\r\n`),
    piece,
    Buffer.from("\r\n"),
  ]);
  return Buffer.concat([...framed, Buffer.from("0\r\n\r\n")]);
}

/** Whether the answer may stay open. */
export function mayWait(request: Request): boolean {
  return request.method === "GET" && /wait/.test(request.target);
}

/** The request that an expiring step begins with. */
export function expiringRequest(step: Extract<Step, { do: "expire" }>): Request {
  return {
    method: "PUT",
    target: step.target,
    body: step.body,
    contentType: "application/x-www-form-urlencoded",
    chunked: false,
  };
}

/** A shell script that sends the steps to each server with curl. */
export function curlScript(steps: readonly Step[], servers: readonly string[]): string {
  const lines = steps.flatMap((step) => {
    if (step.do === "ask") return [curlLine(step)];
    const look = { ...expiringRequest(step), method: "GET", body: "", contentType: undefined };
    return [curlLine(expiringRequest(step)), "sleep 2", curlLine(look)];
  });
  return [
    `for E in ${servers.join(" ")}; do`,
    `S=$(curl -sI "$E/v2/keys/" | tr -d '\\r' | sed -n 's/^X-Etcd-Index: //Ip')`,
    ...lines,
    "done",
  ].join("\n");
}

function curlLine(request: Request): string {
  const words = ["curl -si"];
  if (request.method === "HEAD") words.push("-I");
  else if (request.method !== "GET") words.push(`-X ${request.method}`);
  if (mayWait(request)) words.push("-N -m 5");
  if (request.contentType !== undefined) words.push(`-H "Content-Type: ${shellText(request.contentType)}"`);
  else if (request.body !== "") words.push("-H Content-Type:");
  if (request.chunked) words.push("-H Transfer-Encoding:chunked");
  if (request.body !== "") words.push(`--data-binary "${shellText(request.body)}"`);
  words.push(`--request-target "${shellText(request.target)}" "$E"`);
  return `${words.join(" ")}${mayWait(request) ? " &" : ""}`;
}

/** Inside double quotes; bytes that are no plain text are shown as `$(printf ...)`. */
function shellText(text: string): string {
  return text
    .replaceAll(/[\\"$`]/g, (character) => `\\${character}`)
    .replaceAll(
      /[^ -~]+/g,
      (run) =>
        `$(printf '${Array.from(run, (c) => `\\${c.charCodeAt(0).toString(8).padStart(3, "0")}`).join("")}')`,
    )
    .replaceAll(/\{S([+-]\d+)\}/g, (_, offset: string) => `$((S${offset}))`)
    .replaceAll(/\{N([+-]\d+)\}/g, (_, offset: string) => `$(printf %020d $((S${offset})))`);
}
