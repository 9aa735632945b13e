import assert from "node:assert/strict";
import { test } from "node:test";
import { resultIsOpen, UnitStates } from "./unit-states.ts";

const unit = { name: "web.service", hash: "1", load: "loaded", active: "inactive", sub: "dead" };

test("a change is told once, however many signals made it, and only of units that are ours", () => {
  const states = new UnitStates();
  states.putAll([unit], () => true);
  assert.equal(states.hasChanges, false);
  assert.equal(states.change("other.service", { active: "active" }), false);
  assert.equal(states.change(unit.name, { active: "inactive" }), false);
  assert.equal(states.change(unit.name, { active: "activating", sub: "start" }), true);
  assert.equal(states.change(unit.name, { active: "active", sub: "running" }), true);
  assert.deepEqual(states.takeChanged(), [unit.name]);
  assert.deepEqual(states.takeChanged(), []);
  assert.deepEqual(states.get(unit.name), { ...unit, active: "active", sub: "running" });
});

test("a unit that was loaded or replaced is told; one that was forgotten is not", () => {
  const states = new UnitStates();
  states.put(unit);
  states.put({ ...unit });
  assert.deepEqual(states.takeChanged(), [unit.name]);
  states.put({ ...unit, hash: "2" });
  states.forget(unit.name);
  assert.deepEqual(states.takeChanged(), []);
  assert.equal(states.get(unit.name), undefined);
});

test("a signal that comes during a read wins over what the read says", () => {
  const states = new UnitStates();
  states.putAll([unit], () => true);
  states.beginRead();
  states.change(unit.name, { active: "active", sub: "running" });
  states.change("new.service", { active: "active", sub: "running" });
  states.putAll([unit, { ...unit, name: "new.service" }], () => true);
  states.endRead();
  assert.equal(states.get(unit.name)?.active, "active");
  assert.equal(states.get("new.service")?.active, "active");
  assert.deepEqual(states.takeChanged(), [unit.name, "new.service"]);

  states.beginRead();
  states.putAll([unit], (name) => name === "new.service");
  states.endRead();
  assert.equal(states.get(unit.name)?.active, "inactive", "a signal from before the read does not count");
  assert.equal(states.get("new.service"), undefined);
});

test("the result has to be asked for only where a state leaves it open", () => {
  assert.equal(resultIsOpen({ active: "failed", sub: "failed" }), true);
  assert.equal(resultIsOpen({ active: "activating", sub: "auto-restart" }), true);
  assert.equal(resultIsOpen({ active: "active", sub: "running" }), false);
  assert.equal(resultIsOpen({ active: "inactive", sub: "dead" }), false);
});
