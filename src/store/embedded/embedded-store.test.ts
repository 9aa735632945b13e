import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { storeContract } from "../contract.ts";
import { silentEnv } from "../contract-tools.ts";
import { openEmbeddedStore } from "./embedded-store.ts";

const folder = await mkdtemp(join(tmpdir(), "argosy-store-"));
after(() => rm(folder, { recursive: true }));

storeContract("embedded", () => openEmbeddedStore(join(folder, "contract"), silentEnv()), { modelRuns: 30 });
