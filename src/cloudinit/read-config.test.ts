import assert from "node:assert/strict";
import { test } from "node:test";
import { readConfig, type TypedStruct } from "./read-config.ts";
import { plainValue } from "./scalar.ts";
import { cloudConfigSchema } from "./schema.ts";
import { readYaml } from "./tree.ts";

function config(text: string): TypedStruct {
  const read = readYaml(`#cloud-config\n${text}`);
  assert.ok(!("problem" in read), "problem" in read ? read.problem.text : "");
  return readConfig(cloudConfigSchema, read.root);
}

test("a key that stands there twice adds to its list, in either spelling", () => {
  const read = config("ssh_authorized_keys: [a]\nssh-authorized-keys: [b]\nssh_authorized_keys: c\n");
  assert.deepEqual(read.texts("ssh_authorized_keys"), ["a", "b"]);
});

test("a section that stands there twice is one", () => {
  const update = config("coreos: {update: {group: a, server: b}}\ncoreos:\n  update:\n    group: c\n")
    .struct("coreos")
    .struct("update");
  assert.deepEqual([update.text("group"), update.text("server")], ["c", "b"]);
});

test("of two texts the last one counts that is a text, and nothing takes it away", () => {
  assert.equal(config("hostname: a\nhostname: [b]\n").text("hostname"), "a");
  assert.equal(config("hostname: a\nhostname: ~\n").text("hostname"), "");
});

test("nothing as an element keeps its place, and what has the wrong type loses it", () => {
  const read = config("ssh_authorized_keys: [~, [a], b]\ncoreos:\n  units:\n    -\n    - x\n    - name: c\n");
  assert.deepEqual(read.texts("ssh_authorized_keys"), ["", "b"]);
  const names = read
    .struct("coreos")
    .structs("units")
    .map((unit) => unit.text("name"));
  assert.deepEqual(names, ["", "c"]);
});

test("a merged map counts where it is merged", () => {
  const units = config(
    "coreos:\n  units:\n    - &b {name: b, command: start, drop_ins: [{name: x}]}\n" +
      "    - name: c\n      <<: *b\n      drop_ins: [{name: y}]\n      command: stop\n",
  )
    .struct("coreos")
    .structs("units");
  assert.deepEqual([units[1]?.text("name"), units[1]?.text("command")], ["b", "stop"]);
  assert.deepEqual(
    units[1]?.structs("drop_ins").map((each) => each.text("name")),
    ["x", "y"],
  );
});

test("a number with a fraction loses it where a whole one is wanted", () => {
  const fleet = config("coreos: {fleet: {verbosity: 2.9, token_limit: 1e2}}\n")
    .struct("coreos")
    .struct("fleet");
  assert.deepEqual([fleet.get("verbosity"), fleet.get("token_limit")], [2, 100]);
});

test("numbers are what Go of that time took for some", () => {
  const types = [
    "0b11",
    "-0b11",
    "+0b11",
    "0B11",
    "0o17",
    "+inf",
    "-Infinity",
    "._5",
    ".5",
    "1_0",
    "1e400",
    "08",
  ];
  assert.deepEqual(
    types.map((text) => plainValue(text).type),
    [
      "int",
      "int",
      "string",
      "string",
      "string",
      "float64",
      "float64",
      "string",
      "float64",
      "int",
      "string",
      "float64",
    ],
  );
});
