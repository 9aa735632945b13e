import assert from "node:assert/strict";
import { test } from "node:test";
import { cluster, fakeSsh, fleetctl, hello, obedient, one, two } from "./cluster-fixture.ts";
import { masterWords, quoteWord, readSshHost, throughWords } from "./ssh-words.ts";

const options =
  '-o ConnectTimeout=10 -o StrictHostKeyChecking=ask -o UserKnownHostsFile="/home/me/.fleetctl/known_hosts" ' +
  "-o GlobalKnownHostsFile=/dev/null -o HashKnownHosts=no -o UpdateHostKeys=no";

/** A cluster with a unit on machine two, a global one, and one that is nowhere. */
async function withUnits() {
  const { registry, transport, run } = cluster();
  obedient(registry, two);
  registry.setMachine({ id: `${one.slice(0, -1)}0`, address: "" });
  const global = `${hello}[X-Fleet]\nGlobal=true\n`;
  await run("fleetctl start a g", { "a.service": hello, "g.service": global });
  await run("fleetctl submit idle 2", { "idle.service": hello, "2.service": hello });
  return async (line: string, code = 0) => {
    const { ssh, called } = fakeSsh(code);
    const result = await fleetctl(() => transport, line, {}, { HOME: "/home/me" }, { ssh, called });
    return { ...result, words: called.map((words) => words.join(" ")) };
  };
}

test("ssh reaches the machine of a unit or of an ID, with a shell or a command", async () => {
  const run = await withUnits();
  for (const [line, words] of [
    ["fleetctl ssh a.service", `${options} -l core -p 22 10.0.0.2`],
    ["fleetctl ssh a uname -a", `${options} -l core -p 22 10.0.0.2 -- uname -a`],
    ["fleetctl ssh a -- echo foo", `${options} -l core -p 22 10.0.0.2 -- echo foo`],
    ["fleetctl ssh --unit=a -- echo foo", `${options} -l core -p 22 10.0.0.2 -- echo foo`],
    ["fleetctl ssh -u a echo foo", `${options} -l core -p 22 10.0.0.2 -- echo foo`],
    [`fleetctl ssh -m ${two} -A`, `${options} -l core -A -p 22 10.0.0.2`],
    ["fleetctl ssh --forward-agent 22222222", `${options} -l core -A -p 22 10.0.0.2`],
    ["fleetctl ssh --machine 2222 --ssh-port 2022 id", `${options} -l core -p 2022 10.0.0.2 -- id`],
    [
      "fleetctl --tunnel=bastion ssh a id",
      `${options} -l core -o ProxyCommand=ssh -W 10.0.0.2:22 bastion -p 22 10.0.0.2 -- id`,
    ],
    [
      "fleetctl --ssh-username=me --ssh-timeout=2.5 --known-hosts-file=/k ssh a",
      `${options.replace("=10", "=3").replace("/home/me/.fleetctl/known_hosts", "/k")} -l me -p 22 10.0.0.2`,
    ],
    [
      "fleetctl --strict-host-key-checking=false ssh a",
      "-o ConnectTimeout=10 -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o GlobalKnownHostsFile=/dev/null " +
        "-o HashKnownHosts=no -o UpdateHostKeys=no -o LogLevel=ERROR -l core -p 22 10.0.0.2",
    ],
  ] as const) {
    assert.deepEqual(await run(line), { code: 0, out: "", err: "", words: [words] }, line);
  }
});

test("ssh ends as its command did, and with 0 behind a shell", async () => {
  const run = await withUnits();
  assert.equal((await run("fleetctl ssh a false", 7)).code, 7);
  assert.equal((await run("fleetctl ssh a false", 255)).code, 255);
  assert.equal((await run("fleetctl ssh a", 7)).code, 0);
  assert.equal((await run("fleetctl ssh a", 255)).code, 1);
});

test("ssh tells why it has no target, in the words of fleetctl v1.0.0", async () => {
  const run = await withUnits();
  for (const [line, err] of [
    ["fleetctl ssh", "Unable to proceed: one machine or unit must be provided"],
    ["fleetctl ssh --machine= --unit=", "Unable to proceed: one machine or unit must be provided"],
    ["fleetctl ssh --machine= --unit=nope id", "Unable to proceed: unit does not exist"],
    ["fleetctl ssh nope", "Unable to proceed: could not find matching unit or machine"],
    ["fleetctl ssh -m 9", "Unable to proceed: machine does not exist"],
    ["fleetctl ssh 1111", "Unable to proceed: found more than one machine"],
    ["fleetctl ssh -u nope", "Unable to proceed: unit does not exist"],
    ["fleetctl ssh g.service", "Unable to proceed: global units unsupported"],
    ["fleetctl ssh -m 2 -u a", "Both machine and unit flags provided, please specify only one."],
    ["fleetctl ssh idle.service", "Could not determine address of machine."],
    [
      "fleetctl ssh 2",
      "Unable to proceed: ambiguous argument, both machine and unit found for `2`.\n" +
        "Please use flag `-m` or `-u` to refine the search",
    ],
  ] as const) {
    assert.deepEqual(await run(line), { code: 1, out: "", err: `${err}\n`, words: [] }, line);
  }
});

test("a target that several machines fit, or that names a global unit, may mean the other thing", async () => {
  const { registry, transport, run } = cluster();
  obedient(registry, two);
  registry.setMachine({ id: `${one.slice(0, -1)}0`, address: "10.0.0.4" });
  await run("fleetctl start 1111 3", {
    "1111.service": hello,
    "3.service": `${hello}[X-Fleet]\nGlobal=true\n`,
  });
  const outside = fakeSsh();
  for (const target of ["1111", "3"])
    assert.equal((await fleetctl(() => transport, `fleetctl ssh ${target} id`, {}, {}, outside)).code, 0);
  const hosts = outside.called.map((words) => words.at(-3));
  assert.deepEqual(hosts, ["10.0.0.2", "10.0.0.3"]);
  assert.match(outside.called[0]?.join(" ") ?? "", /UserKnownHostsFile="~\/\.fleetctl\/known_hosts"/);
});

test("fd-forward and verify keep their words and exit codes", async () => {
  const { transport } = cluster();
  const run = async (line: string) => await fleetctl(() => transport, line);
  assert.deepEqual(await run("fleetctl fd-forward"), {
    code: 1,
    out: "",
    err: "Provide a single argument\n",
  });
  assert.deepEqual(await run("fleetctl fd-forward /nowhere"), {
    code: 0,
    out: "",
    err: "Failed dialing remote address: nobody there\n",
  });
  assert.deepEqual(await run("fleetctl verify a.service"), {
    code: 2,
    out: "",
    err: "WARNING: The signed/verified units feature is DEPRECATED and cannot be used.\n",
  });
});

test("hosts with and without a port", () => {
  for (const [text, host, port] of [
    ["bastion", "bastion", 22],
    ["10.0.0.1:2222", "10.0.0.1", 2222],
    ["[fe80::1]:2222", "fe80::1", 2222],
    ["[::1]", "::1", 22],
    ["fe80::1", "fe80::1", 22],
  ] as const) {
    assert.deepEqual(readSshHost(text), { host, port }, text);
  }
  for (const text of ["", "-oProxyCommand=x", "a:b", "a:0", "a:65536", "a b", "[x"]) {
    assert.equal(readSshHost(text), undefined, text);
  }
});

test("one connection carries all that goes through a tunnel", () => {
  const settings = { user: "core", timeoutMs: 1, strict: true, knownHosts: "/k" };
  const host = { host: "bastion", port: 2222 };
  assert.match(
    masterWords(settings, host, "/tmp/m").join(" "),
    /ConnectTimeout=1 .* -l core -o ControlMaster=yes -o ControlPath=\/tmp\/m -N .* -p 2222 bastion$/,
  );
  const shared = "-o ControlMaster=no -o ControlPath=/tmp/m -p 2222";
  assert.equal(
    throughWords("/tmp/m", host, { socket: "/run/my fleet.sock" }).join(" "),
    `${shared} bastion -- fleetctl fd-forward '/run/my fleet.sock'`,
  );
  assert.equal(
    throughWords("/tmp/m", host, { host: "::1", port: 49_153 }).join(" "),
    `${shared} -W [::1]:49153 bastion`,
  );
  assert.equal(quoteWord("it's"), "'it'\\''s'");
});
