import { type Call, type Command, exitCodes } from "../cli/command.ts";
import { jsonFlag, printJson } from "../cli/json.ts";
import { Fault, sentenceOf } from "../lib/fault.ts";

/** How long the service may take to answer. */
const answerLimitMs = 15_000;
/** More is no address. */
const mostAddressBytes = 4_096;

/** `argosy discovery new`. */
export const discoveryNewCommand: Command = {
  name: "new",
  summary: "Get a token for a new cluster",
  usage: "",
  description:
    "Asks a discovery service for a token and prints its address, which every machine of the new cluster is given. A " +
    "token serves one cluster, once: a second cluster needs a second one.",
  flags: [
    {
      name: "size",
      kind: "number",
      placeholder: "N",
      otherwise: "3",
      summary: "how many machines become members of the store: 3 or 5",
    },
    { name: "url", kind: "text", placeholder: "URL", summary: "the service, such as http://10.0.0.5:8087" },
    jsonFlag,
  ],
  arity: { least: 0, most: 0 },
  examples: [
    {
      line: "argosy discovery new --size 3 --url http://10.0.0.5:8087",
      meaning: "the address to give to all machines as ETCD_DISCOVERY",
    },
  ],
  async run(call) {
    const size = call.flags.number("size") ?? 3;
    const service = serviceOf(call);
    const url = await askForToken(call, `${service}/new?size=${size}`);
    if (call.flags.on("json")) printJson(call, { url, size });
    else call.stdout.write(`${url}\n`);
    return exitCodes.done;
  },
};

function serviceOf(call: Call): string {
  const text = call.flags.text("url");
  const url = URL.parse(text ?? "");
  if (url !== null && /^https?:$/.test(url.protocol)) return (text ?? "").replace(/\/+$/, "");
  throw new Fault(
    "bad-flags",
    text === undefined
      ? "which discovery service is to be asked? Give its address: --url http://10.0.0.5:8087"
      : `"${text}" is no address of a discovery service; --url is one such as http://10.0.0.5:8087`,
  );
}

async function askForToken(call: Call, question: string): Promise<string> {
  const signal = AbortSignal.any([call.signal, AbortSignal.timeout(answerLimitMs)]);
  try {
    const answer = await fetch(question, { signal });
    const text = (await answer.text()).slice(0, mostAddressBytes).trim();
    if (answer.ok && URL.parse(text) !== null) return text;
    throw new Fault("no-token", `cannot get a token: ${question} answers ${answer.status}: ${text}`);
  } catch (error) {
    call.signal.throwIfAborted();
    if (error instanceof Fault) throw error;
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    throw new Fault(
      "no-token",
      `cannot get a token: ${question} does not answer (${sentenceOf(cause)}); see whether the service runs`,
      { cause: error },
    );
  }
}
