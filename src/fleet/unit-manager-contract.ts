import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { hashUnitText } from "../unit/hash.ts";
import type { UnitName } from "./model.ts";
import type { ManagedUnit, UnitManager, UnitSource } from "./unit-manager.ts";

const sleeper = "[Service]\nExecStart=/bin/sleep 100000\n";
const broken = "[Service]\nType=simple\n";
const failing = "[Service]\nType=oneshot\nExecStart=/bin/false\n";
const passing = "[Service]\nType=oneshot\nExecStart=/bin/true\n";

/**
 * What every UnitManager does; `open` gives one that has no units. Units are named `contract-*` and are gone afterwards.
 */
export function unitManagerContract(title: string, open: () => Promise<UnitManager>): void {
  describe(`unit manager contract: ${title}`, () => {
    let manager: UnitManager;
    before(async () => {
      manager = await open();
    });
    after(() => manager.close());

    /** Gives the batch to `body` once it is loaded, and takes whatever is left of it away again. */
    async function withUnits(units: readonly UnitSource[], body: () => Promise<void>): Promise<void> {
      await manager.load(units);
      try {
        await body();
      } finally {
        const names = units.map((unit) => unit.name);
        await manager.stop(names);
        await manager.unload(names);
      }
      assert.deepEqual(await manager.list(), []);
    }

    async function stateOf(unit: UnitName): Promise<ManagedUnit | undefined> {
      return (await manager.list()).find((each) => each.name === unit);
    }

    test("a loaded unit is listed with the hash of its text and does not run", async () => {
      const unit = { name: "contract-a.service", text: sleeper };
      assert.deepEqual(await manager.load([unit]), [{ name: unit.name }]);
      await withUnits([unit], async () => {
        assert.deepEqual(await manager.list(), [
          {
            name: unit.name,
            hash: hashUnitText(sleeper),
            load: "loaded",
            active: "inactive",
            sub: "dead",
            result: "success",
          },
        ]);
      });
    });

    test("a started unit runs until it is stopped, and starting or stopping it again is no problem", async () => {
      const unit = { name: "contract-b@1.service", text: sleeper };
      await withUnits([unit], async () => {
        for (let round = 1; round <= 2; round++) {
          assert.deepEqual(await manager.start([unit.name]), [{ name: unit.name }]);
          const { active, sub } = (await stateOf(unit.name)) ?? {};
          assert.deepEqual({ active, sub }, { active: "active", sub: "running" });
        }
        for (let round = 1; round <= 2; round++) {
          assert.deepEqual(await manager.stop([unit.name]), [{ name: unit.name }]);
          assert.equal((await stateOf(unit.name))?.active, "inactive");
        }
      });
    });

    test("what is not there is stopped and unloaded already, and cannot be started", async () => {
      const name = "contract-nowhere.service";
      assert.deepEqual(await manager.stop([name]), [{ name }]);
      assert.deepEqual(await manager.unload([name]), [{ name }]);
      const [started] = await manager.start([name]);
      assert.match(started?.problem ?? "", /contract-nowhere\.service: it is not loaded/);
      assert.deepEqual(await manager.list(), []);
    });

    test("a start that fails is told with the result, and the others of the batch start", async () => {
      const good = { name: "contract-good.service", text: sleeper };
      const bad = { name: "contract-bad.service", text: failing };
      await withUnits([bad, good], async () => {
        const taken: string[] = [];
        const names = [bad.name, "contract-nowhere.service", good.name];
        const [first, , second] = await manager.start(names, (name) => taken.push(name));
        assert.deepEqual(taken.sort(), [bad.name, good.name], "what has a start job, whatever it comes to");
        assert.match(first?.problem ?? "", /contract-bad\.service.*exit-code/);
        assert.deepEqual(second, { name: good.name });
        const state = await stateOf(bad.name);
        assert.deepEqual([state?.active, state?.result], ["failed", "exit-code"]);
        assert.equal((await stateOf(good.name))?.active, "active");
      });
      await withUnits([bad], async () => {
        assert.equal((await stateOf(bad.name))?.active, "inactive", "unload has cleared the failed state");
      });
    });

    test("a restart stops and starts a unit, or only starts one that does not run", async () => {
      const unit = { name: "contract-again.service", text: sleeper };
      const bad = { name: "contract-again-bad.service", text: failing };
      await withUnits([unit, bad], async () => {
        for (let round = 1; round <= 2; round++) {
          assert.deepEqual(await manager.restart([{ name: unit.name }]), [{ name: unit.name }]);
          assert.equal((await stateOf(unit.name))?.active, "active");
        }
        const [failed, missing] = await manager.restart([
          { name: bad.name },
          { name: "contract-nowhere.service" },
        ]);
        assert.match(failed?.problem ?? "", /cannot restart contract-again-bad\.service.*exit-code/);
        assert.match(missing?.problem ?? "", /contract-nowhere\.service: it is not loaded/);
      });
    });

    test("a restart that came about already is not carried out again: the unit's invocation tells", async () => {
      const name = "contract-invocation.service";
      assert.equal(await manager.invocation("contract-nowhere.service"), "");
      await withUnits([{ name, text: sleeper }], async () => {
        assert.equal(await manager.invocation(name), "");
        await manager.start([name]);
        const from = await manager.invocation(name);
        assert.notEqual(from, "");
        const taken: string[] = [];
        await manager.restart([{ name, from }], (each) => taken.push(each));
        assert.deepEqual(taken, [name]);
        const later = await manager.invocation(name);
        assert.notEqual(later, from, "it was started anew");
        assert.deepEqual(await manager.restart([{ name, from }], (each) => taken.push(each)), [{ name }]);
        assert.deepEqual(taken, [name], "there was nothing to take");
        assert.equal(await manager.invocation(name), later);
        await manager.stop([name]);
        await manager.restart([{ name, from: later }]);
        assert.equal((await stateOf(name))?.active, "active", "ended is not started anew");
      });
    });

    test("a killed unit has ended, and killing what does not run is no problem", async () => {
      const unit = { name: "contract-killed.service", text: sleeper };
      await withUnits([unit], async () => {
        await manager.start([unit.name]);
        const names = [unit.name, "contract-nowhere.service"];
        assert.deepEqual(await manager.kill(names), [{ name: unit.name }, { name: names[1] }]);
        await manager.stop([unit.name]);
        assert.notEqual((await stateOf(unit.name))?.active, "active");
        assert.deepEqual(await manager.kill([unit.name]), [{ name: unit.name }]);
      });
    });

    test("a unit that needs another one can be started once that one is there", async () => {
      const peer = { name: "contract-peer.service", text: sleeper };
      const unit = { name: "contract-needy.service", text: `[Unit]\nBindsTo=${peer.name}\n${sleeper}` };
      await withUnits([unit], async () => {
        const [early] = await manager.start([unit.name]);
        assert.equal(early?.lacksUnit, true);
        assert.match(early?.problem ?? "", /contract-peer\.service not found/);
        assert.equal((await stateOf(unit.name))?.active, "inactive");
        await manager.load([peer]);
        assert.deepEqual(await manager.start([peer.name, unit.name]), [
          { name: peer.name },
          { name: unit.name },
        ]);
        await manager.stop([unit.name, peer.name]);
        await manager.unload([peer.name]);
      });
    });

    test("a oneshot that ends well is no problem, and stays active if it says so", async () => {
      const once = { name: "contract-once.service", text: passing };
      const kept = { name: "contract-kept.service", text: `${passing}RemainAfterExit=yes\n` };
      await withUnits([once, kept], async () => {
        assert.deepEqual(await manager.start([once.name, kept.name]), [
          { name: once.name },
          { name: kept.name },
        ]);
        const states = await manager.list();
        assert.deepEqual(
          states.map((unit) => [unit.name, unit.active, unit.sub, unit.result]),
          [
            [kept.name, "active", "exited", "success"],
            [once.name, "inactive", "dead", "success"],
          ],
        );
      });
    });

    test("a unit file that cannot be loaded is told, and the others of the batch are loaded", async () => {
      const bad = { name: "contract-broken.service", text: broken };
      const good = { name: "contract-whole.service", text: sleeper };
      const loaded = await manager.load([bad, good]);
      assert.match(loaded[0]?.problem ?? "", /contract-broken\.service.*bad-setting/);
      assert.deepEqual(loaded[1], { name: good.name });
      await withUnits([bad, good], async () => {
        assert.equal((await stateOf(bad.name))?.load, "bad-setting");
        const started = await manager.start([bad.name, good.name]);
        assert.match(started[0]?.problem ?? "", /contract-broken\.service/);
        assert.deepEqual(started[1], { name: good.name });
      });
    });

    test("names that are none, and [Install] sections that install nothing, leave nothing behind", async () => {
      const outcomes = await manager.load([
        { name: "../contract-escape.service", text: sleeper },
        { name: "contract-typeless", text: sleeper },
        { name: "contract-install.service", text: `${sleeper}[Install]\nWantedBy=\n` },
      ]);
      assert.match(outcomes[0]?.problem ?? "", /invalid character/);
      assert.match(outcomes[1]?.problem ?? "", /must contain/);
      assert.match(outcomes[2]?.problem ?? "", /^Failed to enable systemd unit contract-install\.service: /);
      assert.deepEqual(await manager.list(), []);
    });

    test("a unit with an [Install] section is loaded and taken away like any other", async () => {
      const unit = {
        name: "contract-wanted.service",
        text: `${sleeper}[Install]\nWantedBy=multi-user.target\n`,
      };
      await withUnits([unit], async () => {
        assert.equal((await stateOf(unit.name))?.load, "loaded");
        assert.deepEqual(await manager.start([unit.name]), [{ name: unit.name }]);
      });
    });

    test("replacing the file of a running unit leaves its processes alone; the next start takes the new one", async () => {
      const name = "contract-replaced.service";
      await withUnits([{ name, text: sleeper }], async () => {
        await manager.start([name]);
        assert.deepEqual(await manager.load([{ name, text: failing }]), [{ name }]);
        const replaced = await stateOf(name);
        assert.deepEqual([replaced?.hash, replaced?.active], [hashUnitText(failing), "active"]);
        await manager.stop([name]);
        const [started] = await manager.start([name]);
        assert.match(started?.problem ?? "", /contract-replaced\.service/);
      });
    });

    test("preparing to replace the file of a running unit changes nothing", async () => {
      const name = "contract-prepared.service";
      await withUnits([{ name, text: sleeper }], async () => {
        await manager.start([name]);
        const invocation = await manager.invocation(name);
        assert.deepEqual(await manager.prepare([{ name, text: failing }]), [{ name }]);
        const prepared = await stateOf(name);
        assert.deepEqual([prepared?.hash, prepared?.active], [hashUnitText(sleeper), "active"]);
        assert.equal(await manager.invocation(name), invocation);
      });
    });

    test("a unit that runs is not unloaded", async () => {
      const name = "contract-busy.service";
      await withUnits([{ name, text: sleeper }], async () => {
        await manager.start([name]);
        const [unloaded] = await manager.unload([name]);
        assert.match(unloaded?.problem ?? "", /contract-busy\.service: it is active; stop it first/);
        assert.equal((await stateOf(name))?.active, "active");
      });
    });

    test("a unit whose name is escaped is listed, runs, and is not unloaded while it does", async () => {
      const name = "contract-a\\x2db.service";
      await withUnits([{ name, text: sleeper }], async () => {
        assert.deepEqual(await manager.start([name]), [{ name }]);
        assert.equal((await stateOf(name))?.active, "active");
        const [unloaded] = await manager.unload([name]);
        assert.match(unloaded?.problem ?? "", /: it is active; stop it first/);
        assert.deepEqual(await manager.stop([name]), [{ name }]);
        assert.equal((await stateOf(name))?.active, "inactive");
      });
    });

    test("a template can be kept but not started, and disturbs nobody", async () => {
      const template = { name: "contract-t@.service", text: sleeper };
      const instance = { name: "contract-t@1.service", text: sleeper };
      await withUnits([template, instance], async () => {
        assert.equal((await manager.list()).length, 2);
        const [first, second] = await manager.start([template.name, instance.name]);
        assert.match(first?.problem ?? "", /contract-t@\.service: it is a template/);
        assert.deepEqual(second, { name: instance.name });
        assert.equal((await stateOf(instance.name))?.active, "active");
      });
    });

    test("units of types without a result have none", async () => {
      const unit = { name: "contract-group.target", text: "[Unit]\nDescription=a group\n" };
      await withUnits([unit], async () => {
        await manager.start([unit.name]);
        const state = await stateOf(unit.name);
        assert.deepEqual([state?.active, state?.sub], ["active", "active"]);
        assert.equal(state === undefined || "result" in state, false);
      });
    });

    test("a subscriber hears of every change of state, until it no longer wants to", async () => {
      const name = "contract-heard.service";
      const told: string[] = [];
      const end = manager.subscribe((changed) => {
        for (const unit of changed ?? []) told.push(`${unit.name} ${unit.active}`);
      });
      await withUnits([{ name, text: sleeper }], async () => {
        const started = heard(manager, name, (unit) => unit.active === "active");
        await manager.start([name]);
        assert.equal((await started).sub, "running");
        end();
        const stopped = heard(manager, name, (unit) => unit.active === "inactive");
        await manager.stop([name]);
        assert.equal((await stopped).hash, hashUnitText(sleeper));
      });
      assert.equal(told.at(-1), `${name} active`);
    });

    test("when a start, a restart or a stop has ended, subscribers have heard what it came to", async () => {
      const name = "contract-known.service";
      let known: ManagedUnit | undefined;
      const end = manager.subscribe((changed) => {
        known = changed?.find((unit) => unit.name === name) ?? known;
      });
      await withUnits([{ name, text: failing }], async () => {
        for (let round = 1; round <= 5; round++) {
          await manager.load([{ name, text: failing }]);
          await manager.start([name]);
          assert.deepEqual([known?.active, known?.result], ["failed", "exit-code"]);
          await manager.load([{ name, text: sleeper }]);
          await manager.restart([{ name }]);
          assert.deepEqual([known?.active, known?.result], ["active", "success"]);
          await manager.stop([name]);
          assert.equal(known?.active, "inactive");
        }
      });
      end();
    });

    test("a subscriber hears the result of a unit that fails by itself", async () => {
      const name = "contract-dies.service";
      await withUnits([{ name, text: failing }], async () => {
        const failed = heard(manager, name, (unit) => unit.active === "failed");
        await manager.start([name]);
        assert.equal((await failed).result, "exit-code");
      });
    });

    test("a batch of a hundred with one broken unit among them: the others run and go", async () => {
      const units = Array.from({ length: 100 }, (_, index) => {
        return { name: `contract-many-${index}.service`, text: index === 50 ? broken : sleeper };
      });
      const names = units.map((unit) => unit.name);
      const loaded = await manager.load(units);
      assert.deepEqual(
        loaded.map((each) => each.name),
        names,
      );
      assert.deepEqual(
        loaded.filter((each) => each.problem !== undefined).map((each) => each.name),
        ["contract-many-50.service"],
      );
      await withUnits(units, async () => {
        const started = await manager.start(names);
        assert.equal(started.filter((each) => each.problem === undefined).length, 99);
        assert.equal((await manager.list()).filter((unit) => unit.active === "active").length, 99);
      });
    });

    test("a machine that is up is not going down", async () => {
      assert.equal(await manager.stopping(), false);
    });
  });
}

/** Resolves with the first state of that unit a subscriber is told of that fits. */
export function heard(
  manager: UnitManager,
  name: UnitName,
  fits: (unit: ManagedUnit) => boolean,
): Promise<ManagedUnit> {
  return new Promise((resolve) => {
    const end = manager.subscribe((changed) => {
      const unit = changed?.find((each) => each.name === name && fits(each));
      if (unit === undefined) return;
      end();
      resolve(unit);
    });
  });
}
