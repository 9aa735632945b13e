import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fakeSurroundings } from "../cli/fake-surroundings.ts";
import { runProgram } from "../cli/program.ts";
import { labUpCommand } from "./lab-up.ts";
import { joinsOthers, unreachableService } from "./lab-cloud-config.ts";

test("machines are expected to find each other when the file says how", () => {
  const rows: readonly (readonly [string, boolean])[] = [
    ["#cloud-config\n", false],
    ["#!/bin/sh\ntrue\n", false],
    ["#cloud-config\ncoreos:\n  fleet:\n    metadata: a=b\n", false],
    ["#cloud-config\ncoreos:\n  etcd:\n    addr: $private_ipv4:4001\n", false],
    ["#cloud-config\ncoreos:\n  etcd:\n    discovery: https://d.example.com/1\n", true],
    ["#cloud-config\ncoreos:\n  etcd2:\n    initial-cluster: a=http://10.0.0.1:2380\n", true],
    ["#cloud-config\ncoreos:\n  fleet:\n    etcd-servers: http://10.0.0.1:4001\n", true],
    ["#cloud-config\ncoreos: [\n", false],
  ];
  for (const [text, joins] of rows) assert.equal(joinsOthers(Buffer.from(text)), joins, text);
});

test("a token whose service machines of a lab cannot reach is noticed before they wait for it", () => {
  const rows: readonly (readonly [string, string | undefined])[] = [
    ["https://discovery.example.com/1", "discovery.example.com"],
    ["http://host:8087/1", undefined],
    ["http://10.0.0.1:8087/1", undefined],
    ["", undefined],
  ];
  for (const [url, name] of rows) {
    const text = `#cloud-config\ncoreos:\n  etcd2:\n    discovery: ${url}\n`;
    assert.equal(unreachableService(Buffer.from(text)), name, url);
  }
});

async function refusal(...words: readonly string[]): Promise<string> {
  const surroundings = fakeSurroundings({});
  const program = { name: "argosy", summary: "", description: "", commands: [labUpCommand] };
  // No lab of this name can be made, so a file that is not refused ends in another sentence.
  const code = await runProgram(program, ["up", "--name", "NO LAB", ...words], surroundings);
  assert.equal(code, 1);
  return surroundings.stderr.text();
}

test("a file that machines cannot be made of is refused with lines and keys, before anything is made", async () => {
  const folder = await mkdtemp(join(tmpdir(), "argosy-cloud-config-"));
  try {
    const path = join(folder, "c.yml");
    const text = "#cloud-config\nhostnam: a\ncoreos:\n  units:\n    - name: a.service\n      enable: maybe\n";
    await writeFile(path, text);
    const said = await refusal("--cloud-config", path);
    assert.match(said, /cannot be made of this cloud-config; no machine was touched:\n/);
    assert.match(said, /c\.yml:2:1: warning: .*"hostnam".*did you mean hostname\?\n/);
    assert.match(said, /c\.yml:6:15: error: coreos\.units\[0\]\.enable is the text "maybe"/);

    await writeFile(path, "#cloud-config\nhostnam: a\n");
    assert.match(await refusal("--cloud-config", path), /:2:1: warning: .*\n.*NO LAB/);
    assert.match(await refusal("--cloud-config", path, "--members", "1"), /leave out --members/);
    assert.match(await refusal("--cloud-config", path, "--cloud-config-by", "pigeon"), /not by "pigeon"/);
    assert.match(await refusal("--cloud-config", `${path}.no`), /there is no such file/);
    assert.match(await refusal("--cloud-config-by", "credential"), /name it with --cloud-config/);

    await writeFile(path, `#cloud-config\n# ${"long".repeat(300_000)}\n`);
    assert.match(await refusal("--cloud-config", path), /give --cloud-config-by config-drive/);
    assert.match(await refusal("--cloud-config", path, "--cloud-config-by", "config-drive"), /NO LAB/);
  } finally {
    await rm(folder, { recursive: true });
  }
});
