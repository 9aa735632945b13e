import assert from "node:assert/strict";
import { test } from "node:test";
import { fakeSurroundings } from "../cli/fake-surroundings.ts";
import { runProgram } from "../cli/program.ts";
import { Fault } from "../lib/fault.ts";
import { cluster, fakeSsh, fleetctl, hello, obedient, one } from "./cluster-fixture.ts";
import type { OpenTransport } from "./connect.ts";
import { fleetctlProgram } from "./program.ts";

const away = "Cannot reach the fleet API at unix:///run/fleet.sock: there is no such socket. Check it.";

const failures: readonly (readonly [line: string, err: string])[] = [
  ["fleetctl list-units", `Error retrieving list of units from repository: ${away}\n`],
  ["fleetctl list-unit-files", `Error retrieving list of units from repository: ${away}\n`],
  [
    "fleetctl list-machines",
    `Error retrieving list of active machines from fleet API (${away})\nPossible issues:\n` +
      "  etcd is unhealthy and/or lost quorum\n  connection cannot be established to any etcd servers\n",
  ],
  ["fleetctl submit a", `Error creating units: error retrieving Unit(a.service) from Registry: ${away}\n`],
  ["fleetctl load a", `Error creating units: error retrieving Unit(a.service) from Registry: ${away}\n`],
  ["fleetctl start a", `Error creating units: error retrieving Unit(a.service) from Registry: ${away}\n`],
  ["fleetctl stop a", `Error: ${away}\n`],
  ["fleetctl unload a", `Error: ${away}\n`],
  ["fleetctl destroy a", `Error destroying units: ${away}\n`],
  ["fleetctl cat a", `Error: ${away}\n`],
  ["fleetctl status a", `Error: ${away}\n`],
  ["fleetctl status --json a", `Error: ${away}\n`],
  ["fleetctl journal a", `Error: ${away}\n`],
];

for (const [line, err] of failures) {
  test(`${line} without an API`, async () => {
    const transport = async (): Promise<Response> => {
      throw new Fault("endpoint-unreachable", away);
    };
    assert.deepEqual(await fleetctl(() => transport, line, { "a.service": hello }), {
      code: 1,
      out: "",
      err,
    });
  });
}

test("the endpoint comes from the command line, else from the environment, else it is the socket", async () => {
  const { transport } = cluster();
  const opened: string[] = [];
  const open = (endpoint: string) => {
    opened.push(endpoint);
    return transport;
  };
  const variables = { FLEETCTL_ENDPOINT: "http://10.0.0.2:49153" };
  await fleetctl(open, "fleetctl list-units");
  await fleetctl(open, "fleetctl list-units", {}, variables);
  await fleetctl(open, "fleetctl --endpoint=http://10.0.0.3:1 list-units", {}, variables);
  await fleetctl(open, "fleetctl list-units --endpoint http://10.0.0.4:1", {}, variables);
  const two = await fleetctl(open, "fleetctl --endpoint=http://a:1,http://b:1 list-units --no-legend");
  assert.deepEqual(opened, [
    "unix:///run/fleet.sock",
    "http://10.0.0.2:49153",
    "http://10.0.0.3:1",
    "http://10.0.0.4:1",
    "http://a:1",
  ]);
  assert.deepEqual(two, {
    code: 0,
    out: "",
    err: "WARNING: several endpoints are given; only the first one, http://a:1, is used.\n",
  });
});

test("what cannot be used is refused, and what means nothing any more is taken", async () => {
  const { transport } = cluster();
  for (const [flag, why] of [
    ["--driver=x", 'unrecognized driver "x"'],
    [
      "--driver=etcd",
      "there is no etcd driver, because the registry is not kept in keys of etcd v2; leave --driver out and name an API with --endpoint",
    ],
    ["--tunnel=a:b", 'the tunnel "a:b" is not a host, or HOST:PORT with a port up to 65535'],
  ] as const) {
    const refused = await fleetctl(() => transport, `fleetctl ${flag} list-units`);
    assert.deepEqual(refused, { code: 1, out: "", err: `Unable to initialize client: ${why}\n` });
  }
  const taken = await fleetctl(
    () => transport,
    "fleetctl --strict-host-key-checking=false --ssh-username=core --ssh-timeout=10.0 --known-hosts-file=x " +
      "--driver=API --experimental-api --request-timeout=3.0 --etcd-key-prefix=/x --etcd-keyfile= list-units --no-legend",
    {},
    { FLEETCTL_SSH_USERNAME: "me", FLEETCTL_REQUEST_TIMEOUT: "1", FLEETCTL_EXPERIMENTAL_API: "false" },
  );
  assert.deepEqual(taken, { code: 0, out: "", err: "" });
});

test("--debug tells each request, from the environment as well", async () => {
  const { transport } = cluster();
  for (const [line, variables] of [
    ["fleetctl --debug cat a", {}],
    ["fleetctl cat a", { FLEETCTL_DEBUG: "true" }],
  ] as const) {
    const { err } = await fleetctl(() => transport, line, {}, variables);
    assert.equal(err, "DEBUG GET /fleet/v1/units/a.service: 404 after 0 ms\nUnit a.service not found\n");
  }
});

test("the API is reached through a tunnel, from the environment as well", async () => {
  const { transport } = cluster();
  const ways: string[] = [];
  const open = (endpoint: string, _tls: object, through?: (end: { readonly socket: string }) => string) => {
    if (through !== undefined) ways.push(`${endpoint}: ${through({ socket: "/run/fleet.sock" })}`);
    return transport;
  };
  assert.equal((await fleetctl(open, "fleetctl --tunnel=bastion:2222 list-machines")).code, 0);
  for (const command of ["list-machines", "start a", "status a", "ssh a"])
    assert.deepEqual(await fleetctl(open, `fleetctl --tunnel=nowhere ${command}`), {
      code: 1,
      out: "",
      err: "Unable to initialize client: failed initializing SSH client: ssh ended with exit code 255\n",
    });
  assert.equal((await fleetctl(open, "fleetctl list-machines", {}, { FLEETCTL_TUNNEL: "bastion" })).code, 0);
  const way = "unix:///run/fleet.sock: socket through bastion to /run/fleet.sock";
  assert.deepEqual(ways, [way, way]);
});

test("a wait goes on when the API comes back, and ends with one sentence when it does not", async () => {
  const { registry, transport } = cluster();
  let lossesLeft = 3;
  const losing =
    (problem: Fault) =>
    () =>
    async (...request: Parameters<typeof transport>) => {
      if (request[1] === "/argosy/v1/changes" && lossesLeft-- > 0) throw problem;
      return await transport(...request);
    };
  obedient(registry, one);
  const lost = new Fault("endpoint-unreachable", away);
  assert.deepEqual(await fleetctl(losing(lost), "fleetctl start a", { "a.service": hello }), {
    code: 0,
    out: "Unit a.service inactive\nUnit a.service launched on 11111111.../10.0.0.1\n",
    err: "",
  });
  lossesLeft = 3;
  const busy = new Fault("api-503", "googleapi: Error 503: fleet server unable to communicate with etcd");
  assert.equal((await fleetctl(losing(busy), "fleetctl stop a")).code, 0);
  lossesLeft = 10_000;
  assert.deepEqual(await fleetctl(losing(lost), "fleetctl start a"), {
    code: 1,
    out: "",
    err: `Error waiting for units: ${away}\nError waiting for unit states, exit status: ${away}\n`,
  });
  lossesLeft = 10_000;
  assert.deepEqual(await fleetctl(losing(lost), "fleetctl stop --block-attempts=2 a"), {
    code: 1,
    out: "",
    err: "Failed to stop units [a.service]. err: timed out waiting for unit a.service to report state loaded\n",
  });
});

test("when the API refuses one unit, what was written before is told", async () => {
  const { registry, transport } = cluster();
  const refusing: typeof transport = async (method, path, ...rest) =>
    method === "PUT" && path.endsWith("/b.service")
      ? new Response('{"error":{"code":413,"message":"too large"}}', { status: 413 })
      : await transport(method, path, ...rest);
  const files = { "a.service": hello, "b.service": hello };
  assert.deepEqual(await fleetctl(() => refusing, "fleetctl submit a b", files), {
    code: 1,
    out: "Unit a.service inactive\n",
    err: "Error creating units: failed creating unit b.service: googleapi: Error 413: too large\n",
  });
  assert.deepEqual(Array.from(registry.view().units.keys()), ["a.service"]);
});

test("destroy goes on behind a unit that cannot be destroyed", async () => {
  const { transport } = cluster();
  const refusing: typeof transport = async (method, path, ...rest) =>
    method === "DELETE" && path.endsWith("/a.service")
      ? new Response('{"error":{"code":500,"message":""}}', { status: 500 })
      : await transport(method, path, ...rest);
  const files = { "a.service": hello, "b.service": hello };
  await fleetctl(() => transport, "fleetctl submit a b", files);
  assert.deepEqual(await fleetctl(() => refusing, "fleetctl destroy a b"), {
    code: 1,
    out: "Destroyed b.service\n",
    err: 'Error destroying units: googleapi: got HTTP response code 500 with body: {"error":{"code":500,"message":""}}\n',
  });
});

test("a unit that somebody destroys meanwhile is not waited for", async () => {
  const { transport, run } = cluster();
  const files = { "a.service": hello };
  const destroying: typeof transport = async (method, path, ...rest) => {
    if (path.endsWith("/changes")) await transport("DELETE", "/fleet/v1/units/a.service");
    return await transport(method, path, ...rest);
  };
  for (const line of ["fleetctl start a", "fleetctl start --block-attempts=0 a"]) {
    await run("fleetctl start --no-block a", files);
    assert.deepEqual(await fleetctl(() => destroying, line, files), {
      code: 1,
      out: "",
      err: "Error waiting for units: Unit a.service was destroyed by somebody else.\n",
    });
  }
});

test("300 units are started by one command", async () => {
  const { registry, run } = cluster();
  obedient(registry, one);
  const names = Array.from({ length: 300 }, (_, index) => `web@${index}.service`);
  const { code, out } = await run(`fleetctl start ${names.join(" ")}`, { "web@.service": hello });
  assert.equal(code, 0);
  const lines = out.trimEnd().split("\n");
  assert.deepEqual(
    lines.slice(0, 300),
    names.map((name) => `Unit ${name} inactive`),
  );
  assert.deepEqual(
    lines.slice(300).toSorted(),
    names.map((name) => `Unit ${name} launched on 11111111.../10.0.0.1`).toSorted(),
  );
});

test("an answer that no fleet API gives is told as such, by every command, and nothing is done", async () => {
  const bodies = [
    "null",
    "42",
    "[]",
    "{",
    "",
    "<html></html>",
    '{"units":[null],"machines":[{}],"states":[7]}',
  ];
  const commands = ["list-units", "list-unit-files", "list-machines", "start a", "stop a", "unload a"].concat(
    ["destroy a", "restart a", "cat a", "status a", "status --json a", "journal a", "ssh a date"],
  );
  for (const body of bodies)
    for (const command of commands) {
      const html = { "Content-Type": "text/html" };
      const open: OpenTransport = () => async () => new Response(body, { headers: html });
      const { code, out, err } = await fleetctl(open, `fleetctl ${command}`, { "a.service": hello });
      assert.equal(code, 1, `${command}: ${body}: ${out}${err}`);
      assert.match(err, /What answers at the endpoint is not a fleet API/, `${command}: ${body}`);
      assert.equal(out, "", `${command}: ${body}`);
    }
});

test("a server that has no such page at all does not say that a unit is not there", async () => {
  const open: OpenTransport = () => async () => new Response("<html>\n<p>gone", { status: 404 });
  for (const command of ["destroy a", "cat a", "stop a", "start a"]) {
    const { code, err } = await fleetctl(open, `fleetctl ${command}`, { "a.service": hello });
    assert.equal(code, 1, command);
    assert.match(err, /What answers at the endpoint is not a fleet API/, command);
  }
  assert.equal(
    (await fleetctl(open, "fleetctl list-units")).err,
    "Error retrieving list of units from repository: googleapi: got HTTP response code 404 with body: <html>\n",
  );
});

test("an old API leaves out what is empty in a state", async () => {
  const open: OpenTransport = () => async (_method, path) =>
    new Response(path.startsWith("/fleet/v1/state") ? '{"states":[{"name":"a.service"}]}' : "{}");
  assert.deepEqual(await fleetctl(open, "fleetctl list-units --fields=unit,machine,hash,sub --no-legend"), {
    code: 0,
    out: "a.service\t-\t-\t-\n",
    err: "",
  });
});

test("pages end where no next one is named, and one that names itself is no page", async () => {
  const page = (more: object) => JSON.stringify({ machines: [{ id: one }], ...more });
  const asked: string[] = [];
  const open =
    (last: string): OpenTransport =>
    () =>
    async (_method, path) => {
      if (!path.startsWith("/fleet/v1/machines")) return new Response("", { status: 404 });
      asked.push(path);
      return new Response(page({ nextPageToken: path.includes("?") ? last : "a b" }));
    };
  const line = "fleetctl list-machines --no-legend --fields=machine";
  assert.equal((await fleetctl(open(""), line)).out, "11111111...\n11111111...\n");
  assert.deepEqual(asked, ["/fleet/v1/machines", "/fleet/v1/machines?nextPageToken=a%20b"]);
  assert.match((await fleetctl(open("a b"), line)).err, /is not a fleet API/);
});

test("a refusal without words is told with its body", async () => {
  const open: OpenTransport = () => async () => new Response("Bad Gateway\n", { status: 502 });
  assert.equal(
    (await fleetctl(open, "fleetctl cat a")).err,
    "Error: googleapi: got HTTP response code 502 with body: Bad Gateway\n",
  );
});

test("a command that is interrupted while an API keeps silent ends with 130 and says nothing", async () => {
  const commands = ["list-units", "list-unit-files", "list-machines", "start a", "submit a", "stop a"].concat(
    [
      "unload a",
      "destroy a",
      "destroy --no-block a",
      "restart a",
      "cat a",
      "status a",
      "journal -f a",
      "ssh a",
    ],
  );
  for (const command of commands) {
    const interrupt = new AbortController();
    const open: OpenTransport = () => async (_method, _path, _body, signal) => {
      interrupt.abort(new Fault("interrupted", "fleetctl was interrupted."));
      throw signal?.reason;
    };
    const files = { "a.service": hello };
    const surroundings = fakeSurroundings({ files, signal: interrupt.signal });
    const program = fleetctlProgram({ open, ssh: async () => fakeSsh().ssh }, "1.0.0");
    assert.equal(await runProgram(program, command.split(" "), surroundings), 130, command);
    assert.equal(surroundings.stderr.text() + surroundings.stdout.text(), "", command);
  }
});
