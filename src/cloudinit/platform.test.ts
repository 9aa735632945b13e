import assert from "node:assert/strict";
import { test } from "node:test";
import { anyProvider, presetOf } from "./platform.ts";

const presets = ["azure", "digitalocean", "ec2-compat", "gce", "vmware"];

test("the firmware names the provider, and the kernel's command line beats it", () => {
  assert.equal(presetOf("quiet", { sys_vendor: "DigitalOcean" }, presets), "digitalocean");
  assert.equal(presetOf("quiet", { product_name: "OpenStack Nova" }, presets), "ec2-compat");
  assert.equal(presetOf("coreos.oem.id=gce", { sys_vendor: "DigitalOcean" }, presets), "gce");
  assert.equal(presetOf("coreos.oem.id=ec2 quiet", {}, presets), "ec2-compat");
});

test("nobody is asked on a machine that is at no provider, or that is told so", () => {
  assert.equal(presetOf("quiet", { sys_vendor: "QEMU", product_name: "Standard PC" }, presets), undefined);
  assert.equal(presetOf("coreos.oem.id=none", { sys_vendor: "DigitalOcean" }, presets), undefined);
  assert.equal(presetOf("quiet", { product_name: "CloudSigma" }, presets), undefined);
});

test("what grep looks for in the firmware's files finds every provider, and no machine that is at none", () => {
  const known = [
    "7783-7084-3265-9085-8269-3286-77",
    "CloudSigma",
    "DigitalOcean",
    "Google Compute Engine",
    "Packet",
  ];
  known.push("VMware, Inc.", "Amazon EC2", "4.11.amazon", "OpenStack Foundation", "OpenStack Nova");
  for (const line of known) assert.match(line, new RegExp(anyProvider));
  for (const line of ["QEMU", "Standard PC (Q35 + ICH9, 2009)", "pc-q35-7.2", "VMware, Inca", ""])
    assert.doesNotMatch(line, new RegExp(anyProvider));
});
