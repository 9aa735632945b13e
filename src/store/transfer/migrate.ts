import { Fault } from "../../lib/fault.ts";
import type { Revision, Store } from "../store.ts";
import {
  carryLeases,
  digestOf,
  isEmpty,
  notEmpty,
  type Digest,
  type Progress,
  readContent,
  writeContent,
} from "./content.ts";

export interface MigrateOptions {
  /** Delete what the target holds of Argosy. Default false: refuse. */
  readonly replace?: boolean;
  /** Only say what would be carried. */
  readonly dryRun?: boolean;
  readonly progress?: Progress;
}

/** What was carried over, or would be. */
export interface Migration extends Digest {
  /** Entries that hang on leases, carried besides those of the digest. */
  readonly leased: number;
  /** What the source was at when it was read. */
  readonly fromRevision: Revision;
  /** Whether the target holds data of Argosy before. */
  readonly targetWasEmpty: boolean;
}

/**
 * Copies everything of Argosy from one store to another, and compares both sides afterwards. Nobody else may write to either: what is
 * written to the source meanwhile is noticed, and refused. The source is left as it is.
 * Throws Fault `store-not-empty`, `store-half-full`, `store-changed` when the source changed meanwhile, `store-differs` when
 * both sides do not hold the same afterwards, and the stores' own Faults.
 */
export async function migrateStore(from: Store, to: Store, options: MigrateOptions = {}): Promise<Migration> {
  const { replace = false, dryRun = false, progress = () => undefined } = options;
  const content = await readContent(from);
  const digest = digestOf(content.lasting);
  const migration = {
    ...digest,
    leased: content.leased.length,
    fromRevision: content.revision,
    targetWasEmpty: await isEmpty(to),
  };
  if (dryRun) return migration;
  if (!replace && !migration.targetWasEmpty) throw notEmpty();
  const leased = await carryLeases(from, to, content.leased);
  await writeContent(to, [...content.lasting, ...leased], { replace, progress });
  const source = digestOf((await readContent(from)).lasting);
  if (source.checksum !== digest.checksum) {
    throw new Fault(
      "store-changed",
      "Cannot carry the store over while it is written to: stop what writes to it (systemctl stop fleet etcd on its machines) and do it again with --replace.",
    );
  }
  await compare(to, digest);
  return { ...migration, leased: leased.length };
}

/** Throws Fault `store-differs` when the store does not hold what it should. */
export async function compare(store: Store, expected: Digest): Promise<void> {
  const found = digestOf((await readContent(store)).lasting);
  if (found.checksum === expected.checksum && found.entries === expected.entries) return;
  throw new Fault(
    "store-differs",
    `Cannot confirm the copy, it holds ${found.entries} entries with checksum ${found.checksum.slice(0, 12)} and not ` +
      `${expected.entries} with ${expected.checksum.slice(0, 12)}: stop what writes to it and copy again with --replace.`,
  );
}
