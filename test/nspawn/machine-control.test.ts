import assert from "node:assert/strict";
import { after, before, describe } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { realEnv } from "../../src/daemon/real-env.ts";
import { labDown, labUp } from "../../src/lab/lab.ts";
import type { Machine } from "../../src/lab/machine.ts";
import { machineControlContract } from "../../src/locksmith/machine-control-contract.ts";
import type { MachineControl } from "../../src/locksmith/machine-control.ts";
import { openLogin } from "../../src/systemd/login.ts";
import { testLab } from "./lab-name.ts";

const labName = testLab("machine-control");
/** So long that only a signal that never comes reaches it. */
const hangLimitMs = 10 * 60_000;

const check = "/etc/systemd/system/contract-check.service";
const checkText =
  "[Unit]\\nBefore=boot-complete.target\\n[Service]\\nType=oneshot\\nExecStart=/bin/test -e /run/contract-well\\n";

describe("logind in a machine", { timeout: hangLimitMs }, () => {
  let machine: Machine;

  before(async () => {
    machine = (await labUp({ name: labName, machines: 1 })).machine("m1");
    await shell(
      `printf '${checkText}' > ${check}; mkdir -p /etc/systemd/system/boot-complete.target.requires; ln -s ${check} /etc/systemd/system/boot-complete.target.requires/; touch /run/contract-well; systemctl daemon-reload`,
    );
  });
  after(() => labDown(labName));

  async function shell(script: string): Promise<void> {
    const { code, stderr } = await machine.exec(["sh", "-c", script]);
    assert.equal(code, 0, stderr);
  }

  async function open(): Promise<MachineControl> {
    const { pid } = await machine.status();
    assert.ok(pid !== undefined, "the machine runs");
    const rootDirectory = `/proc/${pid}/root`;
    return await openLogin(realEnv(), {
      rootDirectory,
      busAddress: `unix:path=${rootDirectory}/run/dbus/system_bus_socket`,
    });
  }

  machineControlContract("logind over D-Bus", async () => {
    const control = await open();
    const { pid } = await machine.status();
    return {
      control,
      inhibit: async () => {
        await shell(
          "systemd-run --quiet --unit=contract-inhibit systemd-inhibit --what=shutdown --who=contract --why='a test' --mode=block sleep infinity",
        );
        return async () => await shell("systemctl stop contract-inhibit");
      },
      logIn: async () => {
        // As pam_systemd asks for it, which these machines do not have.
        await shell(
          "systemd-run --quiet --unit=contract-session sleep infinity; " +
            "busctl call org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager CreateSession " +
            "'uusssssussbssa(sv)' 0 $(systemctl show --property=MainPID --value contract-session) contract tty user '' '' 0 '' '' false '' '' 0",
        );
        return async () => await shell("loginctl terminate-user root");
      },
      startUnits: async ({ a, b, c }) => {
        // Those that are to end first take longer to do so, and each writes down when it has.
        const text = (name: string, ties: string, pause: string): string =>
          `[Unit]\\n${ties}[Service]\\nExecStart=/bin/sleep infinity\\nExecStopPost=/bin/sh -c "sleep ${pause}; echo ${name} >> /run/contract-ended"\\n`;
        const texts = {
          [a]: text(a, "", "0"),
          [b]: text(b, `After=${a}\\n`, "0.3"),
          [c]: text(c, `Requires=${b}\\n`, "0.6"),
        };
        for (const [name, unit] of Object.entries(texts))
          await shell(`printf '${unit}' > /run/systemd/system/${name}`);
        await shell(`systemctl daemon-reload; systemctl start ${a} ${b} ${c}`);
      },
      ended: async () => {
        const { stdout } = await machine.exec(["cat", "/run/contract-ended"]);
        return stdout.trim().split("\n");
      },
      setHealth: async (isHealthy) => {
        // Reached targets stay so; what is asked for after a boot has not been reached yet.
        await shell("systemctl stop boot-complete.target contract-check");
        await shell(isHealthy ? "touch /run/contract-well" : "rm -f /run/contract-well");
      },
      afterReboot: async () => {
        await untilAnother(machine, pid);
        return await open();
      },
    };
  });
});

/** Waits until the machine's first process is another one, and its bus is there. */
async function untilAnother(machine: Machine, earlier: number | undefined): Promise<void> {
  for (;;) {
    const { pid } = await machine.status();
    if (pid !== undefined && pid !== earlier && (await machine.untilStarted()) !== "") return;
    await sleep(100);
  }
}
