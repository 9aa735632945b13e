import { readFile } from "node:fs/promises";
import type { TlsFiles } from "../membership/old-settings.ts";
import type { EtcdTls } from "../store/etcd/member.ts";
import { Fault, sentenceOf } from "../lib/fault.ts";

/** Files that secure the way to the store, by their paths; empty for none. */
export interface TlsPaths {
  readonly etcdKeyFile: string;
  readonly etcdCertFile: string;
  readonly etcdCaFile: string;
}

/**
 * Reads the files; undefined when none is named. Throws Fault `bad-setting` when one cannot be read, or when one of key and
 * certificate is missing.
 */
export async function readTls(paths: TlsPaths): Promise<EtcdTls | undefined> {
  const { etcdKeyFile, etcdCertFile, etcdCaFile } = paths;
  if ((etcdKeyFile === "") !== (etcdCertFile === ""))
    throw new Fault("bad-setting", "etcd_keyfile and etcd_certfile belong together: set both or none");
  if (etcdKeyFile === "" && etcdCaFile === "") return undefined;
  const [key, cert, ca] = await Promise.all([
    readNamed("etcd_keyfile", etcdKeyFile),
    readNamed("etcd_certfile", etcdCertFile),
    readNamed("etcd_cafile", etcdCaFile),
  ]);
  return {
    ...(key === undefined ? {} : { key }),
    ...(cert === undefined ? {} : { cert }),
    ...(ca === undefined ? {} : { ca }),
  };
}

/** The same for files that etcd's own variables name. */
export async function readTlsFiles(files: TlsFiles | undefined): Promise<EtcdTls | undefined> {
  if (files === undefined) return undefined;
  if ((files.key === "") !== (files.cert === ""))
    throw new Fault("bad-setting", "ETCD_CERT_FILE and ETCD_KEY_FILE belong together: set both or none");
  const [key, cert, ca] = await Promise.all([
    readNamed("ETCD_KEY_FILE", files.key),
    readNamed("ETCD_CERT_FILE", files.cert),
    readNamed("ETCD_TRUSTED_CA_FILE", files.ca),
  ]);
  return {
    ...(key === undefined ? {} : { key }),
    ...(cert === undefined ? {} : { cert }),
    ...(ca === undefined ? {} : { ca }),
  };
}

async function readNamed(setting: string, path: string): Promise<string | undefined> {
  if (path === "") return undefined;
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw new Fault("bad-setting", `cannot read the file that ${setting} names: ${sentenceOf(error)}`, {
      cause: error,
    });
  }
}
