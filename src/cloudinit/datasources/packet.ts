import type { Metadata } from "../metadata.ts";
import { answerOrNothing, answerText, type Datasource, type SourceAccess } from "./datasource.ts";
import { Json, present } from "./json.ts";

/** Where Packet's metadata service answers. */
export const packetUrl = "https://metadata.packet.net/";

/** Packet's metadata service (`-from-packet-metadata`). */
export function packetSource(url: string, access: SourceAccess): Datasource {
  const home = url.replace(/\/+$/, "");
  return {
    name: `Packet metadata ${url}`,
    askedOnce: false,
    isAvailable: async () => (await access.get(`${home}/metadata`)) !== undefined,
    userData: async () => await answerOrNothing(access, `${home}/userdata`),
    metadata: async (): Promise<Metadata> => {
      const text = await answerText(access, `${home}/metadata`);
      if (text === "") return {};
      const read = Json.parse(text);
      const addresses = read.get("network").get("addresses").items();
      const address = (family: number, isPublic: boolean): string | undefined =>
        addresses
          .find(
            (each) =>
              each.get("address_family").number() === family && each.get("public").isTrue() === isPublic,
          )
          ?.get("address")
          .text();
      const keys = read.get("ssh_keys").items();
      return {
        network: read.get("network").value(),
        sshKeys: Object.fromEntries(keys.map((key, index) => [String(index), key.text() ?? ""])),
        ...present({
          hostname: read.get("hostname").text(),
          publicIpv4: address(4, true),
          privateIpv4: address(4, false),
          publicIpv6: address(6, true),
          privateIpv6: address(6, false),
        }),
      };
    },
  };
}
