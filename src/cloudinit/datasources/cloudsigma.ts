import { Fault } from "../../lib/fault.ts";
import { decodeContent } from "../content.ts";
import type { Metadata } from "../metadata.ts";
import { type Datasource, fileOrNothing, type SourceAccess } from "./datasource.ts";
import { Json, present } from "./json.ts";

/** The serial port at which CloudSigma's hypervisor answers. */
const port = "/dev/ttyS1";

/** Asks for everything, between `<` and `>`; the answer is JSON that ends with the byte 4. */
const question = `exec 3<>${port}; stty -F ${port} raw -echo; printf '<\\n\\n>' >&3; IFS= read -r -d $'\\004' answer <&3; printf %s "$answer"`;

/** CloudSigma's server context (`-from-cloudsigma-metadata`). */
export function cloudSigmaSource(access: SourceAccess): Datasource {
  const ask = async (): Promise<Json> => {
    const answer = await access.output(["bash", "-c", question]);
    if (answer === undefined || answer === "")
      throw new Fault("no-answer", `CloudSigma's hypervisor does not answer at ${port}`);
    return Json.parse(answer);
  };
  return {
    name: "CloudSigma's server context",
    askedOnce: false,
    isAvailable: async () => {
      const product = await fileOrNothing(access, "/sys/class/dmi/id/product_name");
      if (new TextDecoder().decode(product).trim() !== "CloudSigma") return false;
      const leases = await access.output(["ls", "/run/systemd/netif/leases"]);
      return leases !== undefined && leases.trim() !== "";
    },
    userData: async () => userDataIn(await ask()),
    metadata: async () => await metadataIn(await ask(), access),
  };
}

function userDataIn(context: Json): Uint8Array {
  const meta = context.get("meta");
  const data = new TextEncoder().encode(meta.get("cloudinit-user-data").text() ?? "");
  const encoded = (meta.get("base64_fields").text() ?? "").split(",").map((name) => name.trim());
  if (!encoded.includes("cloudinit-user-data")) return data;
  const read = decodeContent(data, "base64");
  if ("problem" in read) throw new Fault("bad-user-data", read.problem);
  return read.bytes;
}

async function metadataIn(context: Json, access: SourceAccess): Promise<Metadata> {
  const key = context.get("meta").get("ssh_public_key").text();
  const nics = context.get("nics").items();
  const publicIpv4 = nics
    .map((nic) => nic.get("ip_v4_conf").get("ip").get("uuid").text())
    .findLast((address) => address !== undefined);
  // A private network is a cable: the address in it is what the machine has there.
  const cables = nics.filter((nic) => nic.get("vlan").get("uuid").text() !== undefined);
  const mac = cables.map((nic) => nic.get("mac").text()).findLast((each) => each !== undefined);
  return {
    ...(key === undefined ? {} : { sshKeys: { [key.split(" ").at(-1) ?? ""]: key } }),
    ...present({
      hostname: context.get("name").text() ?? context.get("uuid").text(),
      publicIpv4,
      privateIpv4: mac === undefined ? undefined : await addressAt(mac, access),
    }),
  };
}

/** The IPv4 address of this machine's interface with a hardware address. */
async function addressAt(mac: string, access: SourceAccess): Promise<string | undefined> {
  const links = Json.parse((await access.output(["ip", "-json", "address"])) ?? "[]").items();
  const link = links.find((each) => each.get("address").text()?.toLowerCase() === mac.toLowerCase());
  const addresses = link?.get("addr_info").items() ?? [];
  return addresses
    .find((each) => each.get("family").text() === "inet")
    ?.get("local")
    .text();
}
