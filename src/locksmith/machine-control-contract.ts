import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { isFault } from "../lib/fault.ts";
import type { MachineControl } from "./machine-control.ts";

/** A machine that a test can do things to from outside. */
export interface TestedMachine {
  readonly control: MachineControl;
  /** Has a program named `contract` forbid to go down, because of "a test"; the result ends that. */
  inhibit(): Promise<() => Promise<void>>;
  /** Starts services until they are stopped: `b` comes after `a`, and `c` requires `b` and has no place in the order. */
  startUnits(names: { readonly a: string; readonly b: string; readonly c: string }): Promise<void>;
  /** The units of `startUnits` that have ended since then, in the order in which they did. */
  ended(): Promise<readonly string[]>;
  /** Has root log in; the result is the logout. */
  logIn(): Promise<() => Promise<void>>;
  /** Whether boot-complete.target can be reached from now on. */
  setHealth(isHealthy: boolean): Promise<void>;
  /** Waits until the machine has gone down, and opens it again once it is up. */
  afterReboot(): Promise<MachineControl>;
}

/** The suite that every MachineControl passes. */
export function machineControlContract(implementation: string, open: () => Promise<TestedMachine>): void {
  describe(`${implementation} as MachineControl`, () => {
    let machine: TestedMachine;
    let control: MachineControl;
    before(async () => {
      machine = await open();
      ({ control } = machine);
    });
    after(async () => await control.close());

    test("a machine that is left alone has one boot, nobody logged in, nobody against a reboot, and does not go down", async () => {
      const boot = await control.bootId();
      assert.match(boot, /\S/);
      assert.equal(await control.bootId(), boot);
      assert.deepEqual(await control.users(), []);
      assert.deepEqual(await control.inhibitors(), []);
      assert.equal(await control.goingDown(), false);
      await control.tell("contract: nobody hears this");
    });

    test("who forbids a reboot is told with the reason, is respected, and its end is heard", async () => {
      const begun = heard(control);
      const permit = await machine.inhibit();
      await begun;
      assert.deepEqual(await control.inhibitors(), [{ who: "contract", why: "a test" }]);
      await assert.rejects(
        control.reboot(),
        (error) => isFault(error, "reboot-refused") && /contract.*a test/.test(error.message),
      );
      assert.equal(await control.goingDown(), false);
      const ended = heard(control);
      await permit();
      await ended;
      assert.deepEqual(await control.inhibitors(), []);
    });

    test("who is logged in is known, and that nobody is any more is heard", async () => {
      const logOut = await machine.logIn();
      assert.deepEqual(await control.users(), ["root"]);
      await control.tell("contract: the one who is logged in may hear this");
      const ended = heard(control);
      await logOut();
      await ended;
      assert.deepEqual(await control.users(), []);
    });

    test("a boot is complete when its checks pass, however often they are asked for", async () => {
      assert.equal(await control.checkBoot(), undefined);
      await machine.setHealth(false);
      assert.match((await control.checkBoot()) ?? "", /\S/);
      assert.match((await control.checkBoot()) ?? "", /\S/);
      await machine.setHealth(true);
      assert.equal(await control.checkBoot(), undefined);
      assert.equal(await control.checkBoot(), undefined);
      assert.equal(await control.isActive("contract-nowhere.service"), false);
    });

    test("units that run are known with what they depend on, stop in the order that was asked for, and start again", async () => {
      const [a, b, c] = ["contract-a.service", "contract-b.service", "contract-c.service"];
      const names = [a, b, c, "contract-nowhere.service"];
      assert.deepEqual(await control.running(names), []);
      await machine.startUnits({ a, b, c });
      const running = await control.running(names);
      assert.deepEqual(running.map(({ name }) => name).sort(), [a, b, c]);
      const ties = new Map(running.map((unit) => [unit.name, unit]));
      assert.ok(ties.get(b)?.after.includes(a), "b comes after a");
      assert.ok(ties.get(c)?.requires.includes(b), "c requires b");
      const order = [
        { name: c, waitsFor: [] },
        { name: b, waitsFor: [c] },
        { name: a, waitsFor: [] },
        { name: "contract-nowhere.service", waitsFor: [] },
      ];
      assert.deepEqual(await control.stopUnits(order, new AbortController().signal), []);
      assert.deepEqual(await machine.ended(), [c, b, a]);
      assert.deepEqual(await control.running(names), []);
      const problems = await control.startUnits([a, "contract-nowhere.service", b]);
      assert.match(problems.join("\n"), /^cannot start contract-nowhere.service again: .+$/);
      // They are asked for one after the other, and b comes up when a is there.
      let again = await control.running(names);
      while (again.length < 2) again = await control.running(names);
      assert.deepEqual(again.map(({ name }) => name).sort(), [a, b]);
      const aborted = AbortSignal.abort(new Error("the reboot does not come"));
      await assert.rejects(control.stopUnits(order, aborted), /the reboot does not come/);
      assert.equal((await control.running(names)).length, 2);
      await control.stopUnits(order, new AbortController().signal);
    });

    test("a reboot is another boot", async () => {
      const boot = await control.bootId();
      await control.reboot();
      await control.close();
      control = await machine.afterReboot();
      assert.notEqual(await control.bootId(), boot);
      assert.equal(await control.goingDown(), false);
    });
  });
}

function heard(control: MachineControl): Promise<void> {
  return new Promise((resolve) => {
    const end = control.subscribe(() => {
      end();
      resolve();
    });
  });
}
