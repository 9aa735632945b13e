import { Fault } from "../../lib/fault.ts";
import { decodeContent } from "../content.ts";
import type { Metadata } from "../metadata.ts";
import { answerOrNothing, type Datasource, fileOrNothing, type SourceAccess } from "./datasource.ts";
import { present } from "./json.ts";
import { tagsOf } from "./xml.ts";

/** Interfaces and addresses that are asked for at most; counting ends at the first gap. */
const mostCounted = 64;

type Lookup = (key: string) => Promise<string | undefined>;

/** The keys a VMware hypervisor hands to its guest (`-from-vmware-guestinfo`), asked for with VMware's own tools. */
export function guestInfoSource(access: SourceAccess): Datasource {
  const lookup: Lookup = async (key) => {
    const question = `info-get guestinfo.${key}`;
    const answer =
      (await access.output(["vmtoolsd", "--cmd", question])) ??
      (await access.output(["vmware-rpctool", question]));
    return answer?.replace(/\n$/, "") || undefined;
  };
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
  const network: Record<string, string> = {};
  const keep = async (key: string): Promise<string | undefined> => {
    const value = await lookup(key);
    if (value !== undefined) network[key] = value;
    return value;
  };
  for (const kind of ["server", "domain"])
    for (let index = 0; index < mostCounted; index++)
      if ((await keep(`dns.${kind}.${index}`)) === undefined) break;
  const found: Record<string, string> = {};
  for (let index = 0; index < mostCounted; index++) {
    const prefix = `interface.${index}.`;
    const named = [await keep(`${prefix}name`), await keep(`${prefix}mac`), await keep(`${prefix}dhcp`)];
    const role = (await lookup(`${prefix}role`)) ?? "";
    if (role !== "" && role !== "public" && role !== "private")
      throw new Fault("bad-metadata", `unrecognized role: "${role}"`);
    const addresses = await keepAll(keep, `${prefix}ip.`, ["address"]);
    for (const address of role === "" ? [] : addresses)
      found[`${role}Ipv${address.includes(":") ? 6 : 4}`] = address.replace(/\/\d+$/, "");
    const routes = await keepAll(keep, `${prefix}route.`, ["gateway", "destination"]);
    if ([...named, ...addresses, ...routes].every((value) => value === undefined)) break;
  }
  return {
    ...present({
      hostname: await lookup("hostname"),
      publicIpv4: found["publicIpv4"],
      privateIpv4: found["privateIpv4"],
      publicIpv6: found["publicIpv6"],
      privateIpv6: found["privateIpv6"],
    }),
    ...(Object.keys(network).length === 0 ? {} : { network }),
  };
}

/** Values of numbered keys, up to the first number without any. */
async function keepAll(keep: Lookup, prefix: string, names: readonly string[]): Promise<readonly string[]> {
  const all: string[] = [];
  for (let index = 0; index < mostCounted; index++) {
    const values: string[] = [];
    for (const name of names) values.push((await keep(`${prefix}${index}.${name}`)) ?? "");
    if (values.every((value) => value === "")) break;
    all.push(...values);
  }
  return all;
}
