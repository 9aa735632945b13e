import { expectProgram, runProgram } from "../../src/lab/programs.ts";
import type { Place } from "../qemu/machine.ts";

/** The network of the tests' clusters: no machine of anybody else's is meant to be in it. */
const network = "10.222.7";
const bridge = "argosy-os";

/** A network on this computer, with a cable for each machine. */
export class Bridge {
  /** This computer's address in it. */
  readonly address = `${network}.1`;
  readonly #machines: number;

  private constructor(machines: number) {
    this.#machines = machines;
  }

  static async make(machines: number): Promise<Bridge> {
    const made = new Bridge(machines);
    // What a run that was killed left behind.
    await made[Symbol.asyncDispose]();
    await ip("link", "add", bridge, "type", "bridge");
    await ip("address", "add", `${made.address}/24`, "dev", bridge);
    await ip("link", "set", bridge, "up");
    for (let number = 1; number <= machines; number += 1) {
      const { tap } = made.place(number);
      await ip("tuntap", "add", tap, "mode", "tap");
      await ip("link", "set", tap, "master", bridge, "up");
    }
    return made;
  }

  place(number: number): Place {
    return {
      tap: `${bridge}${number}`,
      hardwareAddress: `52:54:00:61:72:${number.toString(16).padStart(2, "0")}`,
      address: `${network}.${10 + number}`,
      gateway: this.address,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (let number = 1; number <= this.#machines; number += 1) {
      await runProgram("ip", ["link", "delete", this.place(number).tap]);
    }
    await runProgram("ip", ["link", "delete", bridge]);
  }
}

async function ip(...words: readonly string[]): Promise<void> {
  await expectProgram("ip", words);
}
