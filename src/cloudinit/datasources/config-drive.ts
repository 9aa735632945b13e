import type { Metadata } from "../metadata.ts";
import { type Datasource, fileOrNothing, type SourceAccess } from "./datasource.ts";
import { Json } from "./json.ts";

/** A mounted drive or folder in OpenStack's layout (`-from-configdrive`). */
export function configDriveSource(folder: string, access: SourceAccess): Datasource {
  const home = `${folder.replace(/\/+$/, "")}/openstack`;
  return {
    name: `config-drive ${folder}`,
    askedOnce: false,
    isAvailable: async () =>
      (await access.readFile(`${home}/latest/user_data`)) !== undefined ||
      (await access.readFile(`${home}/latest/meta_data.json`)) !== undefined,
    userData: async () => await fileOrNothing(access, `${home}/latest/user_data`),
    metadata: async (): Promise<Metadata> => {
      const text = new TextDecoder().decode(await fileOrNothing(access, `${home}/latest/meta_data.json`));
      if (text === "") return {};
      const read = Json.parse(text);
      const keys = read.get("public_keys").entries();
      const path = read.get("network_config").get("content_path").text();
      const hostname = read.get("hostname").text();
      return {
        ...(hostname === undefined ? {} : { hostname }),
        sshKeys: Object.fromEntries(
          keys.flatMap(([name, key]) => (key.text() === undefined ? [] : [[name, key.text() ?? ""]])),
        ),
        ...(path === undefined
          ? {}
          : { network: new TextDecoder().decode(await fileOrNothing(access, `${home}/${path}`)) }),
      };
    },
  };
}
