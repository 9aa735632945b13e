import assert from "node:assert/strict";
import { test } from "node:test";
import { type Action, actionLine } from "./actions.ts";
import { planUserData } from "./plan.ts";
import { bytesOf } from "./tree.ts";
import { userDataText } from "./user-data.ts";

function planned(text: string, files: Readonly<Record<string, string>> = {}): readonly Action[] {
  const facts = { users: new Set(["core"]), files, sshKeyName: "coreos-cloudinit" };
  const plan = planUserData({
    text: `#cloud-config\n${text}`,
    metadata: {},
    variables: {},
    facts,
    workspace: "/w",
  });
  assert.equal(plan.problem, undefined);
  return plan.actions;
}

test("settings of a service take its mask below /run away, and what coreos.update masks stays masked", () => {
  const lines = planned(
    "coreos:\n  locksmith: {group: web}\n  update: {reboot-strategy: off}\n" +
      "  units: [{name: locksmithd.service, mask: true, runtime: true}]\n",
    { "/etc/coreos/update.conf": "" },
  ).map(actionLine);
  const path = "/run/systemd/system/locksmithd.service";
  assert.deepEqual(
    lines.filter((line) => line.includes(path)),
    [
      `link ${path} to /dev/null`,
      `write ${path}.d/20-cloudinit.conf (45 bytes, mode 0644)`,
      `remove ${path} if it is empty or a link to /dev/null`,
      `link ${path} to /dev/null`,
    ],
  );
});

test("update.conf loses the carriage returns that an editor left in it", () => {
  const path = "/etc/coreos/update.conf";
  const file = planned("coreos: {update: {group: beta}}\n", {
    [path]: "# a\r\nGROUP=stable\r\nX=1\r\n",
  }).find((action) => action.kind === "write-file");
  assert.equal(new TextDecoder().decode(file?.content), "# a\nGROUP=beta\nX=1\n");
});

test("a file without a path ends it behind the files before, as does nothing in the place of a file", () => {
  const actions = planned("write_files:\n  - {path: /a, content: x}\n  -\n  - {path: /b}\n");
  assert.deepEqual(
    actions.slice(0, 2).map(({ kind }) => kind),
    ["write-file", "fail"],
  );
});

test("a script keeps what it carries behind its last line, to the byte", () => {
  const bytes = Uint8Array.from([...Buffer.from("#!/bin/sh\nexit\n$public_ipv4\n"), 0xff, 0x00, 0xc3, 0x80]);
  const { text, problem: textProblem } = userDataText(bytes);
  const [script] = planUserData({
    text,
    textProblem,
    metadata: { publicIpv4: "1.2.3.4" },
    variables: {},
    facts: {
      users: new Set(),
      files: { "/etc/environment": "COREOS_PUBLIC_IPV4=1.2.3.4\n" },
      sshKeyName: "k",
    },
    workspace: "/w",
  }).actions;
  assert.equal(script?.kind, "script");
  const written = bytesOf(script.text, script.binary === true);
  const wanted = [...Buffer.from("#!/bin/sh\nexit\n1.2.3.4\n"), 0xff, 0x00, 0xc3, 0x80];
  assert.deepEqual(Array.from(written), wanted);
});

test("bytes that are no UTF-8 are named as libyaml names them", () => {
  const named: readonly (readonly [readonly number[], string])[] = [
    [[0xff], "invalid leading UTF-8 octet"],
    [[0xc3], "incomplete UTF-8 octet sequence"],
    [[0xc3, 0x41], "invalid trailing UTF-8 octet"],
    [[0xc0, 0x80], "invalid length of a UTF-8 sequence"],
    [[0xed, 0xa0, 0x80], "invalid Unicode character"],
    [[0xf4, 0x90, 0x80, 0x80], "invalid Unicode character"],
  ];
  for (const [octets, words] of named) {
    const { problem } = userDataText(Uint8Array.from([...Buffer.from("#cloud-config\na: é"), ...octets]));
    assert.equal(problem, words);
  }
});
