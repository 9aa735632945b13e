import assert from "node:assert/strict";
import { test } from "node:test";
import { joinsOthers } from "./lab-cloud-config.ts";

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
