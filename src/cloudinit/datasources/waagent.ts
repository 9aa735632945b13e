import type { Metadata } from "../metadata.ts";
import { type Datasource, fileOrNothing, type SourceAccess } from "./datasource.ts";
import { tagsOf } from "./xml.ts";

/** The folder of Azure's agent (`-from-waagent`). */
export function waagentSource(folder: string, access: SourceAccess): Datasource {
  const home = folder.replace(/\/+$/, "");
  return {
    name: `Azure's agent ${folder}`,
    askedOnce: false,
    isAvailable: async () => (await access.readFile(`${home}/provisioned`)) !== undefined,
    userData: async () => await fileOrNothing(access, `${home}/CustomData`),
    metadata: async () =>
      metadataIn(new TextDecoder().decode(await fileOrNothing(access, `${home}/SharedConfig.xml`))),
  };
}

/** The addresses of the instance that the text calls this one. */
function metadataIn(xml: string): Metadata {
  const tags = tagsOf(xml);
  const own = tags.find(({ name }) => name === "Incarnation")?.attributes["instance"];
  const begin = tags.findIndex(({ name, attributes }) => name === "Instance" && attributes["id"] === own);
  if (own === undefined || begin < 0) return {};
  const end = tags.findIndex(({ name }, at) => at > begin && name === "Instance");
  const inside = tags.slice(begin, end < 0 ? undefined : end);
  const privateIpv4 = inside[0]?.attributes["address"];
  const outside = inside.find(({ attributes }) => attributes["loadBalancedPublicAddress"] !== undefined);
  const publicIpv4 = outside?.attributes["loadBalancedPublicAddress"]?.replace(/:\d+$/, "");
  return {
    ...(privateIpv4 === undefined ? {} : { privateIpv4 }),
    ...(publicIpv4 === undefined ? {} : { publicIpv4 }),
  };
}
