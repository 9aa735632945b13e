import { Fault } from "../../lib/fault.ts";
import { decodeContent } from "../content.ts";
import type { Metadata } from "../metadata.ts";
import { answerOrNothing, type Datasource, fileOrNothing, type SourceAccess } from "./datasource.ts";
import { present } from "./json.ts";
import { tagsOf } from "./xml.ts";

/** Interfaces and addresses that are asked for at most; counting ends at the first gap. */
const mostCounted = 64;

type Lookup = (key: string) => Promise<string | undefined>;

/** The keys a VMware hypervisor hands to its guest (`-from-vmware-guestinfo`), asked for with VMware's own tool. */
export function guestInfoSource(access: SourceAccess): Datasource {
  const lookup: Lookup = async (key) =>
    (await access.output(["vmtoolsd", "--cmd", `info-get guestinfo.${key}`]))?.replace(/\n$/, "") ||
    undefined;
  const isAvailable = async (): Promise<boolean> =>
    (await lookup("coreos.config.data")) !== undefined || (await lookup("coreos.config.url")) !== undefined;
  return vmwareSource("VMware guestinfo", lookup, isAvailable, access);
}

/** The same keys in a file of the OVF environment (`-from-vmware-ovf-env`). */
export function ovfEnvironmentSource(path: string, access: SourceAccess): Datasource {
  const lookup: Lookup = async (key) => {
    const tags = tagsOf(new TextDecoder().decode(await fileOrNothing(access, path)));
    return tags.find(
      ({ name, attributes }) => name === "Property" && attributes["key"] === `guestinfo.${key}`,
    )?.attributes["value"];
  };
  const isAvailable = async (): Promise<boolean> => (await access.readFile(path)) !== undefined;
  return vmwareSource(`OVF environment ${path}`, lookup, isAvailable, access);
}

function vmwareSource(
  name: string,
  lookup: Lookup,
  isAvailable: () => Promise<boolean>,
  access: SourceAccess,
): Datasource {
  return {
    name,
    askedOnce: true,
    isAvailable,
    userData: async () => {
      const data = await lookup("coreos.config.data");
      if (data !== undefined) return decoded(data, (await lookup("coreos.config.data.encoding")) ?? "");
      const url = await lookup("coreos.config.url");
      return url === undefined ? new Uint8Array() : await answerOrNothing(access, url);
    },
    metadata: async () => await metadataFrom(lookup),
  };
}

function decoded(data: string, encoding: string): Uint8Array {
  const read = decodeContent(new TextEncoder().encode(data), encoding);
  if ("problem" in read) throw new Fault("bad-user-data", read.problem);
  return read.bytes;
}

async function metadataFrom(lookup: Lookup): Promise<Metadata> {
  const found: Record<string, string> = {};
  for (let index = 0; index < mostCounted; index++) {
    const role = await lookup(`interface.${index}.role`);
    const named = (await lookup(`interface.${index}.name`)) ?? (await lookup(`interface.${index}.mac`));
    const address = (await lookup(`interface.${index}.ip.0.address`))?.replace(/\/\d+$/, "");
    if (role === undefined && named === undefined && address === undefined) break;
    if (address === undefined || (role !== "public" && role !== "private")) continue;
    found[`${role}Ipv${address.includes(":") ? 6 : 4}`] ??= address;
  }
  return {
    ...present({
      hostname: await lookup("hostname"),
      publicIpv4: found["publicIpv4"],
      privateIpv4: found["privateIpv4"],
      publicIpv6: found["publicIpv6"],
      privateIpv6: found["privateIpv6"],
    }),
  };
}
