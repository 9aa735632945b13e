import { type Datasource, fileOrNothing, type SourceAccess } from "./datasource.ts";

/** Names under which systemd may hand user-data to a machine. */
const names = ["cloud-config", "user-data"] as const;

/**
 * A credential of systemd, as `systemd-nspawn --load-credential`, a hypervisor or a boot loader give it.
 * @param folder `$CREDENTIALS_DIRECTORY` of the unit; without one, where the machine keeps those it was booted with
 */
export function credentialSource(folder: string | undefined, access: SourceAccess): Datasource {
  const home = folder ?? "/run/credentials/@system";
  const find = async (): Promise<string | undefined> => {
    for (const name of names)
      if ((await access.readFile(`${home}/${name}`)) !== undefined) return `${home}/${name}`;
    return undefined;
  };
  return {
    name: "a credential of systemd",
    askedOnce: true,
    isAvailable: async () => (await find()) !== undefined,
    userData: async () => {
      const path = await find();
      return path === undefined ? new Uint8Array() : await fileOrNothing(access, path);
    },
    metadata: async () => ({}),
  };
}
