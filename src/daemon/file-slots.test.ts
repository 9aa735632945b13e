import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { slotsContract } from "../update/slots-contract.ts";
import { FileSlots } from "./file-slots.ts";
import { ReleaseShelf } from "./fake-release-shelf.ts";

let shelf: ReleaseShelf;

before(async () => {
  shelf = await ReleaseShelf.open();
});

after(async () => await shelf.close());

slotsContract("files", async () => {
  const folder = await mkdtemp(join(tmpdir(), "argosy-slots-"));
  await mkdir(join(folder, "slot_1"));
  let boots = 1;
  return {
    open: async () =>
      new FileSlots({
        folder,
        bootId: `boot ${boots}`,
        keyrings: ["/nonexistent", shelf.keyring],
        credentials: "",
      }),
    boot: async () => {
      boots++;
    },
    publish: async (version, harm) => shelf.publish(version, harm),
    close: async () => await rm(folder, { recursive: true, force: true }),
  };
});

test("without a keyring nothing is believed", async () => {
  const folder = await mkdtemp(join(tmpdir(), "argosy-slots-"));
  await mkdir(join(folder, "slot_1"));
  const slots = new FileSlots({ folder, bootId: "1", keyrings: ["/nonexistent"], credentials: "" });
  const offer = shelf.publish("2");
  const signal = new AbortController().signal;
  await assert.rejects(
    slots.install(offer, offer.folders[0] ?? "", () => undefined, signal),
    { code: "update-signature" },
  );
  await rm(folder, { recursive: true });
});
