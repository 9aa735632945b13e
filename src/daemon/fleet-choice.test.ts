import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { AttemptBook } from "../fleet/attempt-book.ts";
import { usualFleet } from "../fleet/fleet-name.ts";
import type { ManagedUnit } from "../fleet/unit-manager.ts";
import type { Env } from "../lib/env.ts";
import { attemptsFile } from "./attempts-file.ts";
import { chooseFleet, type FormerFleet } from "./fleet-choice.ts";
import { identityFile } from "./identity-file.ts";

const web: ManagedUnit = { name: "web.service", hash: "h", load: "loaded", active: "inactive", sub: "dead" };

/** One machine through several daemons: each is made anew over the same files, as after a restart. */
async function onMachine(
  play: (machine: {
    held: ManagedUnit[];
    warnings: string[];
    daemon: () => FormerFleet & { book: AttemptBook };
    choose: (wanted: string) => Promise<string>;
  }) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "argosy-fleet-choice-"));
  const held: ManagedUnit[] = [];
  const warnings: string[] = [];
  const silent = (): void => undefined;
  const log = {
    debug: silent,
    info: silent,
    error: silent,
    warning: (line: string) => void warnings.push(line),
  };
  const clock: Env["clock"] = {
    now: () => 0,
    monotonic: () => 0,
    sleep: async () => undefined,
  };
  const daemon = (): FormerFleet & { book: AttemptBook } => {
    const book = new AttemptBook(
      { clock, random: () => 0, log },
      attemptsFile(join(folder, "attempts.json"), log),
    );
    return {
      identity: identityFile(join(folder, "store-identity")),
      name: identityFile(join(folder, "key-prefix")),
      units: { list: async () => held },
      attempts: book,
      book,
    };
  };
  try {
    await play({ held, warnings, daemon, choose: (wanted) => chooseFleet(wanted, daemon(), log) });
  } finally {
    await rm(folder, { recursive: true });
  }
}

test("a machine that holds units stays in the fleet they came from until it has left that one", async () => {
  await onMachine(async ({ held, warnings, daemon, choose }) => {
    for (const [from, to] of [
      [usualFleet, "/team/a"],
      ["/team/a", "/team/b"],
      ["/team/b", usualFleet],
    ] as const) {
      assert.equal(await choose(from), from);
      await daemon().identity.write(`of ${from}`);
      held.push(web);
      assert.deepEqual(warnings.splice(0), []);
      assert.equal(await choose(to), from);
      assert.match(
        warnings.splice(0).join(""),
        /^etcd_key_prefix is .* holds 1 unit\(s\) of the fleet .* systemctl stop fleet/,
      );
      assert.equal(await daemon().identity.read(), `of ${from}`);
      assert.equal(await choose(from), from, "the setting was taken back");
      // Leaving stops the units and forgets the identity; their files go when the next daemon finds them nowhere wanted.
      await daemon().identity.forget();
      assert.equal(await choose(to), to);
      held.length = 0;
      await daemon().identity.write(`of ${to}`);
    }
    assert.deepEqual(warnings, []);
  });
});

test("a machine without units changes over at a restart, and forgets what it carried out for the other fleet", async () => {
  await onMachine(async ({ warnings, daemon, choose }) => {
    assert.equal(await choose("/team/a"), "/team/a");
    const { identity, book } = daemon();
    await identity.write("of a");
    book.set(web.name, { hash: "h", reached: "launched" });
    await book.save();
    assert.equal(await choose("/team/b"), "/team/b");
    assert.equal(await identity.read(), undefined);
    const next = daemon().book;
    await next.load();
    assert.equal(next.get(web.name), undefined);
    assert.deepEqual(warnings, []);
  });
});
