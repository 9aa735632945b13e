import assert from "node:assert/strict";
import { test } from "node:test";
import { fleetdWish } from "./fleetd.ts";

for (const [line, wish] of [
  ["", "run undefined"],
  ["-config /a/b.conf", "run /a/b.conf"],
  ["--config=/a/b=c.conf", "run /a/b=c.conf"],
  ["-config", "refuse flag needs an argument: -config; see fleetd --help"],
  ["-config /a -version", "tell fleetd version"],
  ["version", "tell fleetd version"],
  ["--version", "tell fleetd version"],
  ["-version=true", "tell fleetd version"],
  ["-version=false", "run undefined"],
  ["--help", "tell Usage: fleetd"],
  ["-verbose", "refuse flag provided but not defined: -verbose; see fleetd --help"],
  ["start", "refuse fleetd takes no arguments. Did you mean to invoke fleetctl instead?"],
  ["version now", "refuse fleetd takes no arguments. Did you mean to invoke fleetctl instead?"],
] as const) {
  test(`fleetd ${line}: ${wish}`, () => {
    const told = fleetdWish(line === "" ? [] : line.split(" "));
    const text = told.kind === "run" ? told.settingsPath : told.kind === "tell" ? told.text : told.sentence;
    assert.ok(`${told.kind} ${text}`.startsWith(wish), `${told.kind} ${text}`);
  });
}
