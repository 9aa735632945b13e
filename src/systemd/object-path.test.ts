import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { jobNumber, pathOfUnit, unitOfPath } from "./object-path.ts";

test("a unit's object path is written as systemd writes it", () => {
  const path = "/org/freedesktop/systemd1/unit/web_2dapp_401_2eservice";
  assert.equal(pathOfUnit("web-app@1.service"), path);
  assert.equal(unitOfPath(path), "web-app@1.service");
  assert.equal(pathOfUnit("1st.service"), "/org/freedesktop/systemd1/unit/_31st_2eservice");
  assert.equal(unitOfPath("/org/freedesktop/systemd1/job/7"), undefined);
  assert.equal(unitOfPath("/org/freedesktop/systemd1"), undefined);
});

test("every valid unit name comes back from its path", () => {
  const alphabet = Array.from("abcXYZ019:-_.\\@");
  const name = fc.array(fc.constantFrom(...alphabet), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(name, (characters) => {
      const unit = `${characters.join("")}.service`;
      assert.equal(unitOfPath(pathOfUnit(unit)), unit);
    }),
  );
});

test("a job's number is the end of its path", () => {
  assert.equal(jobNumber("/org/freedesktop/systemd1/job/4711"), 4711);
});
