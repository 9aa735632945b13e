import type { Metadata } from "../metadata.ts";
import { answerOrNothing, answerText, type Datasource, type SourceAccess } from "./datasource.ts";
import { Json, present } from "./json.ts";

/** Where DigitalOcean's metadata service answers. */
export const digitalOceanUrl = "http://169.254.169.254/";

/** DigitalOcean's metadata service (`-from-digitalocean-metadata`). */
export function digitalOceanSource(url: string, access: SourceAccess): Datasource {
  const home = `${url.replace(/\/+$/, "")}/metadata`;
  return {
    name: `DigitalOcean metadata ${url}`,
    askedOnce: false,
    isAvailable: async () => (await access.get(`${home}/v1`)) !== undefined,
    userData: async () => await answerOrNothing(access, `${home}/v1/user-data`),
    metadata: async (): Promise<Metadata> => {
      const text = await answerText(access, `${home}/v1.json`);
      if (text === "") return {};
      const read = Json.parse(text);
      const keys = read.get("public_keys").items();
      const address = (side: string, family: string): string | undefined =>
        read.get("interfaces").get(side).items()[0]?.get(family).get("ip_address").text();
      return {
        sshKeys: Object.fromEntries(keys.map((key, index) => [String(index), key.text() ?? ""])),
        ...present({
          hostname: read.get("hostname").text(),
          publicIpv4: address("public", "ipv4"),
          publicIpv6: address("public", "ipv6"),
          privateIpv4: address("private", "ipv4"),
          privateIpv6: address("private", "ipv6"),
        }),
      };
    },
  };
}
