import assert from "node:assert/strict";
import { lstatSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { realEnv } from "../../src/daemon/real-env.ts";
import type { UnitManager } from "../../src/fleet/unit-manager.ts";
import { heard, unitManagerContract } from "../../src/fleet/unit-manager-contract.ts";
import { labDown, labUp } from "../../src/lab/lab.ts";
import type { Machine } from "../../src/lab/machine.ts";
import { isFault } from "../../src/lib/fault.ts";
import { openSystemdUnitManager } from "../../src/systemd/unit-manager.ts";
import { hashUnitText } from "../../src/unit/hash.ts";
import { testLab } from "./lab-name.ts";

const labName = testLab("unit-manager");
const sleeper = "[Service]\nExecStart=/bin/sleep 100000\n";
const failing = "[Service]\nType=oneshot\nExecStart=/bin/false\n";

/** So long that only a signal that never comes reaches it. */
const hangLimitMs = 10 * 60_000;

describe("systemd in a machine", { timeout: hangLimitMs }, () => {
  let machine: Machine;
  /** The machine's files as this machine sees them. */
  let root: string;

  before(async () => {
    machine = (await labUp({ name: labName, machines: 1 })).machine("m1");
    const { pid } = await machine.status();
    assert.ok(pid !== undefined, "the machine runs");
    root = `/proc/${pid}/root`;
  });
  after(() => labDown(labName));

  function open(): Promise<UnitManager> {
    return openSystemdUnitManager(realEnv(), {
      rootDirectory: root,
      busAddress: `unix:path=${root}/run/dbus/system_bus_socket`,
    });
  }

  unitManagerContract("systemd over D-Bus", open);

  /** Loads a sleeper and starts it, and clears up behind `body`. */
  async function withSleeper(name: string, body: (manager: UnitManager) => Promise<void>): Promise<void> {
    const manager = await open();
    try {
      assert.deepEqual(await manager.load([{ name, text: sleeper }]), [{ name }]);
      assert.deepEqual(await manager.start([name]), [{ name }]);
      await body(manager);
      await manager.stop([name]);
      assert.deepEqual(await manager.unload([name]), [{ name }]);
    } finally {
      await manager.close();
    }
  }

  test("after the bus was killed the manager comes back, tells so, and hears everything again", async () => {
    const name = "outlives-bus.service";
    await withSleeper(name, async (manager) => {
      const marker = "/run/fleet-test-goes-on";
      const waiting = `[Service]\nType=oneshot\nExecStart=/bin/sh -c 'until test -e ${marker}; do sleep 0.05; done'\n`;
      const slow = "slow.service";
      await manager.load([{ name: slow, text: waiting }]);
      const onItsWay = heard(manager, slow, (unit) => unit.active === "activating");
      const started = manager.start([slow]);
      await onItsWay;

      const back = everythingAfresh(manager);
      await machine.exec(["systemctl", "kill", "--signal=KILL", "dbus.service"]);
      await back;
      assert.equal((await manager.list()).find((unit) => unit.name === name)?.active, "active");

      writeFileSync(root + marker, "");
      assert.deepEqual(await started, [{ name: slow }], "a start under way has outlived the bus");
      rmSync(root + marker);
      await manager.unload([slow]);

      const stopped = heard(manager, name, (unit) => unit.active === "inactive");
      await machine.exec(["systemctl", "stop", name]);
      await stopped;
    });
  });

  test("while the bus is away every call says so, and the units run on", async () => {
    const name = "outlives-absence.service";
    await withSleeper(name, async (manager) => {
      const earlier = await machine.exec(["systemctl", "show", "--property=InvocationID", name]);
      await machine.exec(["systemctl", "stop", "dbus.socket", "dbus.service"]);
      await assert.rejects(manager.list(), (error) => isFault(error, "manager-unavailable"));
      await assert.rejects(manager.start([name]), (error) => isFault(error, "manager-unavailable"));
      const back = everythingAfresh(manager);
      await machine.exec(["systemctl", "start", "dbus.socket", "dbus.service"]);
      await back;
      assert.equal((await manager.list())[0]?.active, "active");
      const later = await machine.exec(["systemctl", "show", "--property=InvocationID", name]);
      assert.equal(later.stdout, earlier.stdout);
    });
  });

  test("after systemd executed itself anew, and after somebody's daemon-reload, everything is read afresh", async () => {
    const name = "outlives-systemd.service";
    await withSleeper(name, async (manager) => {
      for (const verb of ["daemon-reexec", "daemon-reload"]) {
        const afresh = everythingAfresh(manager);
        await machine.exec(["systemctl", verb]);
        await afresh;
        assert.equal((await manager.list())[0]?.active, "active", verb);
      }
      const stopped = heard(manager, name, (unit) => unit.active === "inactive");
      await machine.exec(["systemctl", "stop", name]);
      await stopped;
    });
  });

  test("loading units does not make systemctl warn about every unit of the machine", async () => {
    const show = ["systemctl", "show", "--property=NeedDaemonReload", "--value", "dbus.service"];
    await machine.exec(["systemctl", "daemon-reload"]);
    await withSleeper("no-warning.service", async () => {
      assert.equal((await machine.exec(show)).stdout.trim(), "no");
    });
    assert.equal((await machine.exec(show)).stdout.trim(), "no");
  });

  test("types that a container cannot have are taken, refused when they are started, and taken away", async () => {
    const units = [
      { name: "run-typed.automount", text: "[Automount]\nWhere=/run/typed\n" },
      { name: "run-typed.swap", text: "[Swap]\nWhat=/run/typed\n" },
      { name: "dev-typed.device", text: "[Unit]\nDescription=a device\n" },
    ];
    const names = units.map(({ name }) => name);
    const manager = await open();
    try {
      assert.deepEqual(
        await manager.load(units),
        names.map((name) => ({ name })),
      );
      assert.deepEqual(
        (await manager.start(names)).map(({ problem }) => problem),
        ["automount", "swap", "device"].map(
          (type, at) => `cannot start ${names[at]}: systemd supports no ${type} units on this machine`,
        ),
      );
      assert.deepEqual(
        (await manager.list()).map(({ active }) => active),
        ["inactive", "inactive", "inactive"],
      );
      assert.deepEqual(
        await manager.unload(names),
        names.map((name) => ({ name })),
      );
      assert.deepEqual(await manager.list(), []);
    } finally {
      await manager.close();
    }
  });

  test("units that systemd makes by itself and never stops are not taken over", async () => {
    const names = ["-.mount", "-.slice", "system.slice"];
    const manager = await open();
    try {
      for (const { name, problem } of await manager.load(names.map((each) => ({ name: each, text: "" }))))
        assert.equal(
          problem,
          `cannot load ${name}: systemd has a unit of its own of that name; choose another name`,
        );
      assert.deepEqual(await manager.list(), []);
    } finally {
      await manager.close();
    }
  });

  test("a unit of the machine's own is neither hidden nor touched", async () => {
    const manager = await open();
    try {
      const [loaded] = await manager.load([{ name: "dbus.service", text: sleeper }]);
      assert.match(
        loaded?.problem ?? "",
        /cannot load dbus\.service: the machine has a unit of that name in \//,
      );
      const [started] = await manager.start(["dbus.service"]);
      assert.match(started?.problem ?? "", /it is not loaded/);
      assert.deepEqual(await manager.stop(["dbus.service"]), [{ name: "dbus.service" }]);
      assert.deepEqual(await manager.unload(["dbus.service"]), [{ name: "dbus.service" }]);
      const state = await machine.exec(["systemctl", "is-active", "dbus.service"]);
      assert.equal(state.stdout.trim(), "active");
    } finally {
      await manager.close();
    }
  });

  for (const name of ["gone.service", "escaped\\x2dgone.service"])
    test(`${name}, once unloaded, is unknown to systemd, and its links are gone`, async () => {
      const manager = await open();
      try {
        await manager.load([{ name, text: `${failing}[Install]\nWantedBy=multi-user.target\n` }]);
        const wants = `${root}/run/systemd/system/multi-user.target.wants`;
        const links = [`${root}/run/systemd/system/${name}`, `${wants}/${name}`];
        assert.deepEqual(links.filter(isThere), links);
        await manager.start([name]);
        await manager.unload([name]);
        const shown = await machine.exec(["systemctl", "show", "--property=LoadState", name]);
        assert.equal(shown.stdout.trim(), "LoadState=not-found");
        assert.deepEqual(links.filter(isThere), []);
        const held = await machine.exec([
          "systemctl",
          "list-units",
          "--all",
          "--plain",
          "--no-legend",
          "--full",
        ]);
        assert.doesNotMatch(held.stdout, /\bgone\.service/);
      } finally {
        await manager.close();
      }
    });

  test("a file that cannot be written is that unit's problem alone", async () => {
    const manager = await open();
    const folder = `${root}/run/fleet/units/blocked.service`;
    mkdirSync(folder);
    try {
      const outcomes = await manager.load([
        { name: "blocked.service", text: sleeper },
        { name: "free.service", text: sleeper },
      ]);
      assert.match(
        outcomes[0]?.problem ?? "",
        /cannot load blocked\.service: its unit file cannot be written/,
      );
      assert.deepEqual(outcomes[1], { name: "free.service" });
      await manager.unload(["free.service"]);
    } finally {
      rmSync(folder, { recursive: true });
      await manager.close();
    }
  });

  test("a text that systemd cannot read, because /run is full, is not started as if it had been", async () => {
    const manager = await open();
    const name = "unread.service";
    const other = "unread-not.service";
    const running = async (): Promise<string> =>
      (await machine.exec(["systemctl", "show", "--property=ExecStart", "--value", name])).stdout;
    try {
      const { stdout: size } = await machine.exec([
        "findmnt",
        "--noheadings",
        "--output=SIZE",
        "--bytes",
        "/run",
      ]);
      await manager.load([{ name, text: `${sleeper}[Install]\nWantedBy=multi-user.target\n` }]);
      await manager.start([name]);
      await manager.stop([name]);
      // Less than systemd wants to have free before it reads anything again.
      await machine.exec(["mount", "-o", "remount,size=8m", "/run"]);
      try {
        const text = "[Service]\nExecStart=/bin/sleep 77\n[Install]\nWantedBy=basic.target\n";
        const [unprepared] = await manager.prepare([{ name, text }]);
        assert.match(unprepared?.problem ?? "", /cannot load unread\.service: systemd does not read/);
        assert.equal((await manager.list()).find((unit) => unit.name === name)?.load, "loaded");
        const [refused, fresh] = await manager.load([
          { name, text },
          { name: other, text: sleeper },
        ]);
        assert.match(
          refused?.problem ?? "",
          /cannot load unread\.service: systemd does not read its unit file: /,
        );
        assert.deepEqual(fresh, { name: other }, "a unit that systemd does not know yet needs no reload");
        const listed = (await manager.list()).find((unit) => unit.name === name);
        assert.equal(listed?.hash, "", "nobody takes it for loaded");
        const [again] = await manager.load([{ name, text }]);
        assert.match(again?.problem ?? "", /systemd does not read its unit file/);

        await machine.exec(["mount", "-o", `remount,size=${size.trim()}`, "/run"]);
        assert.deepEqual(await manager.load([{ name, text }]), [{ name }]);
        assert.equal((await manager.list()).find((unit) => unit.name === name)?.hash, hashUnitText(text));
        await manager.start([name]);
        assert.match(await running(), /\/bin\/sleep 77/);
      } finally {
        await machine.exec(["mount", "-o", `remount,size=${size.trim()}`, "/run"]);
      }
    } finally {
      await manager.stop([name, other]);
      await manager.unload([name, other]);
      await manager.close();
    }
  });

  test("what a predecessor wrote without telling systemd is read when the next one begins", async () => {
    const name = "rewritten.service";
    await withSleeper(name, async (predecessor) => {
      writeFileSync(`${root}/run/fleet/units/${name}`, failing);
      const successor = await open();
      await predecessor.stop([name]);
      const [started] = await successor.start([name]);
      assert.match(started?.problem ?? "", /rewritten\.service/);
      await successor.close();
    });
  });

  test("a machine that goes down says so", async () => {
    const name = "slow-to-stop.service";
    const manager = await open();
    try {
      // The bus goes down after this unit, so that somebody is left to ask.
      const order = "[Unit]\nAfter=dbus.service\n";
      await manager.load([
        { name, text: `${order}${sleeper}ExecStop=/bin/sleep 100000\nTimeoutStopSec=20\n` },
      ]);
      await manager.start([name]);
      const goesDown = heard(manager, name, (unit) => unit.active === "deactivating");
      // Not `systemctl poweroff`: that asks logind first, which has lost its bus in the tests above.
      await machine.exec(["systemctl", "--no-block", "start", "poweroff.target"]);
      await goesDown;
      assert.equal(await manager.stopping(), true);
    } finally {
      await manager.close();
    }
  });
});

/** Resolves when subscribers are told to read everything afresh. */
function everythingAfresh(manager: UnitManager): Promise<void> {
  return new Promise((resolve) => {
    const end = manager.subscribe((changed) => {
      if (changed !== undefined) return;
      end();
      resolve();
    });
  });
}

function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
