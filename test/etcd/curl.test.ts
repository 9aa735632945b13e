import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { curlScript, type Step } from "../differential/step.ts";
import { startForeground } from "../differential/foreground.ts";
import { startOracle } from "../differential/oracle.ts";
import { Side } from "../differential/side.ts";

const run = promisify(execFile);

/** As people write it; `$K` is the address of the keys, `$F` a file of 300 KB. */
const script = `
curl -s $K/message -XPUT -d value="Hello world"
curl -s $K/message
curl -s $K/message -XPUT -d value="Hello etcd"
curl -s $K/message -XDELETE
curl -s $K/foo -XPUT -d value=bar -d ttl=100
curl -s $K/foo -XPUT -d value=bar -d ttl= -d prevExist=true
curl -s $K/foo -XPUT -d ttl=100 -d refresh=true -d prevExist=true
curl -s "$K/foo?wait=true&waitIndex=$((S+7))" > $F.waited &
curl -s $K/foo -XPUT -d value=changed; wait; cat $F.waited
curl -s "$K/foo?wait=true&waitIndex=$((S+1))"
curl -s $K/queue -XPOST -d value=Job1
curl -s $K/queue -XPOST -d value=Job2
curl -s "$K/queue?recursive=true&sorted=true"
curl -s $K/dir -XPUT -d dir=true
curl -s "$K/dir?dir=true" -XDELETE
curl -s "$K/queue?recursive=true" -XDELETE
curl -s "$K/foo?prevExist=false" -XPUT -d value=three
curl -s "$K/foo?prevValue=two" -XPUT -d value=three
curl -s "$K/foo?prevValue=changed" -XPUT -d value=two
curl -s "$K/foo?prevIndex=1" -XDELETE
curl -s "$K/foo?prevValue=two" -XDELETE
curl -s $K/_message -XPUT -d value="Hello hidden world"
curl -s $K/ -G -d sorted=true
curl -s $K/file -XPUT --data-urlencode value@$F | cut -c1-100,300000-
curl -s $K/file -XPUT -F value=@$F
curl -s -T $F $K/file
curl -s $K/json -XPUT -H "Content-Type: application/json" -d '{"value":"x"}'
curl -s $K/grüße/日本 -XPUT -d value=ü
curl -s "$K/gr%C3%BC%C3%9Fe?recursive=true"
curl -s -L $K//file/../double//slash -XPUT -d value=1 --path-as-is
curl -s -L $K//file --path-as-is
curl -s --http1.0 $K/json
curl -s -H "Transfer-Encoding: chunked" $K/chunked -XPUT -d value=1
curl -s -I $K/json | grep -i "^http\\|^content-type\\|^x-etcd-index" | sort
curl -s -XOPTIONS -i $K/json | grep -i "^http\\|^access" | sort
curl -s -XPATCH -i $K/json | grep -i "^http\\|^allow" | sort
curl -s $K/json -XPUT -d value=%zz
curl -s -o /dev/null -w "%{http_code} %{content_type}\\n" $K/none
curl -s $K/nul -XPUT -d value=%00%01%7f
curl -s --compressed $K/nul
curl -s "$K/a%2Fb/c%252Fd?value=x" -XPUT
curl -s $K/json $K/nul $K/none
`;

test("curl gets the same from Argosy and from an etcd", async () => {
  const folder = await mkdtemp(join(tmpdir(), "argosy-curl-"));
  try {
    await using oracle = await startOracle();
    await using argosy = await startForeground();
    const start = await alignedIndex(oracle.origin, argosy.origin);
    const file = join(folder, "value");
    await writeFile(file, "0123456789".repeat(30_000));
    const answers = async (origin: string): Promise<readonly string[]> => {
      const env = { ...process.env, K: `${origin}/v2/keys`, F: file, S: String(start) };
      const { stdout } = await run("bash", ["-c", script], { env, maxBuffer: 64 * 1024 * 1024 });
      return neutral(stdout);
    };
    const theirs = await answers(oracle.origin);
    assert.deepEqual(await answers(argosy.origin), theirs);
    assert.match(theirs.join("\n"), /Hello hidden world/);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

/** One of each kind that a script has to write down. */
const steps: readonly Step[] = [
  ask("PUT", "/v2/keys/a?prevExist=false", "value=x%20y%22"),
  ask("PUT", "/v2/keys/a?prevIndex={S+1}", "value=$HOME`'\\"),
  ask("POST", "/v2/keys//q", "value=1"),
  ask("POST", "/v2/keys/q", "value=1"),
  ask("GET", "/v2/keys/q/{N+3}?sorted=true", ""),
  ask("HEAD", "/v2/keys/a", ""),
  ask("DELETE", "/v2/keys/a?prevValue=\u00c3\u00bc", ""),
  { ...ask("PUT", "/v2/keys/c", "value=1"), chunked: true },
  { ...ask("PUT", "/v2/keys/c", "value=2"), contentType: undefined },
];

function ask(method: string, target: string, body: string): Extract<Step, { do: "ask" }> {
  const contentType = body === "" ? undefined : "application/x-www-form-urlencoded";
  return { do: "ask", method, target, body, contentType, chunked: false };
}

test("the script that shows a difference asks what the comparison asked", async () => {
  await using argosy = await startForeground();
  const side = new Side(argosy.origin);
  const told = await side.run(steps, await side.index());
  const expected = told.observed.map(({ answer }) => `${answer.head?.status} ${answer.body}`);
  told.close();
  side.close();
  await using other = await startForeground();
  const { stdout } = await run("bash", ["-c", curlScript(steps, [other.origin])], {
    maxBuffer: 1024 * 1024,
    encoding: "latin1",
  });
  const answers = stdout
    .split(/^HTTP\/1\.1 (?!100)/m)
    .slice(1)
    .map((text) => `${text.slice(0, 3)} ${text.slice(text.indexOf("\r\n\r\n") + 4)}`);
  assert.deepEqual(answers, expected);
});

/** Has both at the same index, since answers show it. */
async function alignedIndex(...origins: readonly string[]): Promise<number> {
  const start = 10;
  for (const origin of origins) {
    const side = new Side(origin);
    await side.pad(start - (await side.index()));
    side.close();
  }
  return start;
}

/** Lines without moments and without what a server tells of itself. */
function neutral(text: string): readonly string[] {
  return text
    .replaceAll(/"expiration":"[^"]*"/g, '"expiration":"..."')
    .replaceAll("\r", "")
    .split("\n")
    .map((line) => (/^[a-z-]+: |^HTTP/i.test(line) ? line.toLowerCase() : line));
}
