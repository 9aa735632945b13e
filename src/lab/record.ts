import { Fault } from "../lib/fault.ts";
import { namesIn, readIfThere, replaceFile } from "./disk.ts";
import { labFolder, labsFolder, type LabRecord } from "./layout.ts";

/** What the lab remembers, or undefined when there is no lab of this name. */
export async function readRecord(lab: string): Promise<LabRecord | undefined> {
  const text = await readIfThere(recordPath(lab));
  if (text === undefined) return undefined;
  const record: unknown = JSON.parse(text);
  if (isRecord(record)) return record;
  throw new Fault(
    "bad-lab-record",
    `${recordPath(lab)} is not of this version of argosy. Remove that lab with: argosy lab down --name ${lab}`,
  );
}

export async function writeRecord(record: LabRecord): Promise<void> {
  await replaceFile(recordPath(record.name), `${JSON.stringify(record, null, 2)}\n`);
}

/** The names of all labs on this machine, complete or not. */
export async function labNames(): Promise<readonly string[]> {
  return await namesIn(labsFolder);
}

/** What all other labs remember; a lab whose record cannot be read is left out. */
export async function otherRecords(lab: string): Promise<readonly LabRecord[]> {
  const names = (await labNames()).filter((name) => name !== lab);
  const records = await Promise.all(names.map(async (name) => await readRecord(name).catch(() => undefined)));
  return records.flatMap((record) => record ?? []);
}

function recordPath(lab: string): string {
  return `${labFolder(lab)}/lab.json`;
}

function isRecord(value: unknown): value is LabRecord {
  return typeof value === "object" && value !== null && "format" in value && value.format === 1;
}
