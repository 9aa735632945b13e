import assert from "node:assert/strict";
import { test } from "node:test";
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
