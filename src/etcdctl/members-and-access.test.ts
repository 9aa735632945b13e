import assert from "node:assert/strict";
import { test } from "node:test";
import type { ClientRequest, ClientTransport } from "../keys/client.ts";
import { Fault } from "../lib/fault.ts";
import { runEtcdctl, type Ran, type RunOptions } from "./fake-server.ts";

/** What a server answers to `METHOD URL`: a status and a body, or nothing at all. */
type Answers = Readonly<Record<string, readonly [number, unknown] | "silent">>;

interface Asked extends Ran {
  readonly requests: readonly ClientRequest[];
}

const site = "http://10.0.0.1:4001";

async function run(line: string, answers: Answers, options: RunOptions = {}): Promise<Asked> {
  const requests: ClientRequest[] = [];
  const transport: ClientTransport = async (request) => {
    requests.push(request);
    const answer = answers[`${request.method} ${request.url.replace(site, "")}`];
    if (answer === undefined) throw new Fault("not-connected", `dial tcp: nobody at ${request.url}`);
    if (answer === "silent") throw new Fault("head-late", "no answer");
    const [status, body] = answer;
    return { status, header: () => "", text: typeof body === "string" ? body : JSON.stringify(body) };
  };
  const ran = await runEtcdctl(["--no-sync", "--endpoints", site, ...line.split(" ")], {
    ...options,
    outside: { transport: () => transport, ...options.outside },
  });
  return { ...ran, requests };
}

async function check(line: string, answers: Answers, code: number, stdout: string, stderr: string) {
  const ran = await run(line, answers);
  assert.deepEqual([line, ran.code, ran.stdout, ran.stderr], [line, code, stdout, stderr]);
  return ran.requests;
}

const first = { id: "a1", name: "m1", peerURLs: ["http://10.0.0.1:2380"], clientURLs: [site] };
const second = { id: "b2", name: "", peerURLs: ["http://10.0.0.2:2380"], clientURLs: [] };
const third = {
  id: "c3",
  name: "m3",
  peerURLs: ["http://10.0.0.3:2380"],
  clientURLs: ["http://10.0.0.3:4001"],
};
const list = { "GET /v2/members": [200, { members: [first, second, third] }] } as const;

test("members are listed, those that never started without a name", async () => {
  await check(
    "member list",
    { ...list, "GET /v2/members/leader": [200, first] },
    0,
    `a1: name=m1 peerURLs=http://10.0.0.1:2380 clientURLs=${site} isLeader=true\n` +
      "b2[unstarted]: peerURLs=http://10.0.0.2:2380\n" +
      "c3: name=m3 peerURLs=http://10.0.0.3:2380 clientURLs=http://10.0.0.3:4001 isLeader=false\n",
    "",
  );
});

test("a new member gets the settings to start with", async () => {
  const answers: Answers = { ...list, "POST /v2/members": [201, second] };
  const requests = await check(
    "member add m2 http://10.0.0.2:2380",
    answers,
    0,
    'Added member named m2 with ID b2 to cluster\n\nETCD_NAME="m2"\nETCD_INITIAL_CLUSTER="m1=http://10.0.0.1:2380,m2=http://10.0.0.2:2380,m3=http://10.0.0.3:2380"\nETCD_INITIAL_CLUSTER_STATE="existing"\n',
    "",
  );
  assert.deepEqual(
    [requests[0]?.body, requests[0]?.headers["Content-Type"]],
    ['{"peerURLs":["http://10.0.0.2:2380"]}', "application/json"],
  );
  const taken: Answers = { "POST /v2/members": [409, { message: "membership: peerURL exists" }] };
  await check("member add m2 http://10.0.0.2:2380", taken, 1, "", "membership: peerURL exists\n");
  const never: Answers = { "POST /v2/members": [501, { message: "argosy: never" }] };
  await check("member add m2 http://10.0.0.2:2380", never, 1, "", "argosy: never\n");
});

test("members are changed and removed", async () => {
  const update: Answers = {
    "PUT /v2/members/a1": [204, ""],
    "PUT /v2/members/d4": [404, { message: "No such member: d4" }],
  };
  await check(
    "member update a1 http://10.0.0.9:2380",
    update,
    0,
    "Updated member with ID a1 in cluster\n",
    "",
  );
  await check("member update d4 http://10.0.0.9:2380", update, 1, "", "No such member: d4\n");
  const remove: Answers = { ...list, "DELETE /v2/members/c3": [204, ""], "DELETE /v2/members/a1": [401, ""] };
  await check("member remove m3", remove, 0, "Removed member c3 from cluster\n", "");
  await check(
    "member remove a1",
    remove,
    1,
    "",
    "Received an error trying to remove member a1: unexpected status code 401\n",
  );
  const fixed: Answers = { ...list, "DELETE /v2/members/a1": [409, { message: "argosy: never" }] };
  await check(
    "member remove a1",
    fixed,
    1,
    "",
    "Received an error trying to remove member a1: argosy: never\n",
  );
});

test("the health of a cluster is that of its members", async () => {
  const health = (answer: unknown): Answers => ({ ...list, "GET /health": [200, answer] });
  const tail =
    "member b2 is unreachable: no available published client urls\n" +
    'failed to check the health of member c3 on http://10.0.0.3:4001: Get "http://10.0.0.3:4001/health": dial tcp: nobody at http://10.0.0.3:4001/health\n' +
    "member c3 is unreachable: [http://10.0.0.3:4001] are all unreachable\n";
  const ill = `member a1 is unhealthy: got unhealthy result from ${site}\n`;
  const well = `member a1 is healthy: got healthy result from ${site}\n`;
  await check("cluster-health", health({ health: "true" }), 5, `${well}${tail}cluster is degraded\n`, "");
  await check("cluster-health", health({ health: "false" }), 5, `${ill}${tail}cluster is unavailable\n`, "");
  const alone: Answers = {
    "GET /v2/members": [200, { members: [first] }],
    "GET /health": [200, { health: true }],
  };
  await check("cluster-health", alone, 0, `${well}cluster is healthy\n`, "");
});

test("users are made, shown, changed and removed", async () => {
  const ok = [200, {}] as const;
  const bob = "/v2/auth/users/bob";
  const made = await check("user add bob:a:b", { [`PUT ${bob}`]: [201, {}] }, 0, "User bob created\n", "");
  assert.equal(made[0]?.body, '{"user":"bob","password":"a:b","roles":null}');
  const shown: Answers = { [`GET ${bob}`]: [200, { user: "bob", roles: [{ role: "r" }, { role: "s" }] }] };
  await check("user get bob", shown, 0, "User: bob\nRoles:  r s\n", "");
  await check("user list", { "GET /v2/auth/users": [200, { users: [{ user: "bob" }] }] }, 0, "bob\n", "");
  await check("user list", { "GET /v2/auth/users": [200, { users: null }] }, 0, "", "");
  await check("user remove bob", { [`DELETE ${bob}`]: ok }, 0, "User bob removed\n", "");
  const granted = await check(
    "user grant bob --roles a,b --roles c",
    { [`PUT ${bob}`]: ok },
    0,
    "User bob updated\n",
    "",
  );
  assert.equal(granted[0]?.body, '{"user":"bob","roles":null,"grant":["a","b","c"]}');
  const revoked = await check(
    "user revoke bob --roles a",
    { [`PUT ${bob}`]: ok },
    0,
    "User bob updated\n",
    "",
  );
  assert.equal(revoked[0]?.body, '{"user":"bob","roles":null,"revoke":["a"]}');
  const refused: Answers = { [`GET ${bob}`]: [401, { message: "Insufficient credentials" }] };
  await check("user get bob", refused, 1, "", "Insufficient credentials\n");
});

test("passwords are asked for, and go with each request", async () => {
  const prompts: string[] = [];
  const askSecret = async (prompt: string) => {
    prompts.push(prompt);
    return "secret";
  };
  const answers: Answers = { "PUT /v2/auth/users/bob": [200, {}] };
  const { stdout, requests } = await run("-u root user passwd bob", answers, { outside: { askSecret } });
  assert.deepEqual(prompts, ["Password: ", "New password: "]);
  assert.equal(stdout, "Password updated\n");
  assert.equal(requests[0]?.headers.Authorization, `Basic ${btoa("root:secret")}`);
  assert.equal(requests[0]?.body, '{"user":"bob","password":"secret","roles":null}');
});

test("roles are made, shown, changed and removed", async () => {
  const path = "/v2/auth/roles/r";
  const role = { role: "r", permissions: { kv: { read: ["/a", "/b*"], write: null } } };
  const there: Answers = {
    [`GET ${path}`]: [200, role],
    [`PUT ${path}`]: [200, {}],
    [`DELETE ${path}`]: [200, {}],
  };
  const missing: Answers = {
    [`GET ${path}`]: [404, { message: "auth: Role r does not exist." }],
    [`PUT ${path}`]: [201, {}],
  };
  await check("role get r", there, 0, "Role: r\nKV Read:\n\t/a\n\t/b*\nKV Write:\n", "");
  await check("role get r", missing, 1, "", "auth: Role r does not exist.\n");
  await check("role add r", there, 1, "", "Role r already exists\n");
  const made = await check("role add r", missing, 0, "Role r created\n", "");
  assert.equal(made[1]?.body, '{"role":"r","permissions":{"kv":{"read":null,"write":null}}}');
  const granted = await check("role grant r --path /a/* --readwrite", there, 0, "Role r updated\n", "");
  assert.equal(
    granted[1]?.body,
    '{"role":"r","permissions":{"kv":{"read":null,"write":null}},"grant":{"kv":{"read":["/a/*"],"write":["/a/*"]}}}',
  );
  const revoked = await check("role revoke r --path /a --read", there, 0, "Role r updated\n", "");
  assert.match(revoked[1]?.body ?? "", /"revoke":\{"kv":\{"read":\["\/a"\],"write":null\}\}/);
  await check("role grant r --path /a --read", missing, 1, "", "auth: Role r does not exist.\n");
  await check(
    "role grant r --path a//b/ --read",
    {},
    1,
    "",
    "Not canonical path; please use `--path=/a/b/`\n",
  );
  await check("role remove r", there, 0, "Role r removed\n", "");
  await check("role list", { "GET /v2/auth/roles": [200, { roles: [role] }] }, 0, "r\n", "");
  await check("role list", { "GET /v2/auth/roles": [401, ""] }, 1, "", "unexpected status code 401\n");
});

test("access rules are turned on and off", async () => {
  await check("auth enable", { "PUT /v2/auth/enable": [200, ""] }, 0, "Authentication Enabled\n", "");
  await check("auth disable", { "DELETE /v2/auth/enable": [200, ""] }, 0, "Authentication Disabled\n", "");
  const off: Answers = { "DELETE /v2/auth/enable": [409, { message: "auth: already disabled" }] };
  await check("auth disable", off, 1, "", "auth: already disabled\n");
});

test("a server that has no leader or is silent is named", async () => {
  const sentence = (trouble: string) =>
    `Error:  client: etcd cluster is unavailable or misconfigured; error #0: ${trouble}\n\nerror #0: ${trouble}\n\n`;
  const path = "GET /v2/keys/a?quorum=false&recursive=false&sorted=false";
  const silent = `client: endpoint ${site} exceeded header timeout`;
  await check("get /a", { [path]: "silent" }, 4, "", sentence(silent));
  await check("get /a", { [path]: [503, ""] }, 4, "", sentence(`client: etcd member ${site} has no leader`));
  await check(
    "rm /a",
    { "DELETE /v2/keys/a": [500, ""] },
    4,
    "",
    `Error:  client: etcd member ${site} has no leader\n`,
  );
  await check(
    "get /a",
    { [path]: [404, "404 page not found\n"] },
    4,
    "",
    sentence(`client: ${site} does not serve the v2 API`),
  );
  const page = "client: response is invalid json. The endpoint is probably not valid etcd cluster endpoint";
  await check("get /a", { [path]: [200, "<html>"] }, 4, "", `Error:  ${page}\n`);
});
