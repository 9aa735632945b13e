import type { Metadata } from "../metadata.ts";
import { answerOrNothing, answerText, type Datasource, type SourceAccess } from "./datasource.ts";
import { present } from "./json.ts";

/** Where Google Compute Engine's metadata service answers. */
export const gceUrl = "http://169.254.169.254/";

const headers = { "Metadata-Flavor": "Google" };

/** Google Compute Engine's metadata service (`-from-gce-metadata`). */
export function gceSource(url: string, access: SourceAccess): Datasource {
  const home = `${url.replace(/\/+$/, "")}/computeMetadata/v1/instance`;
  const value = async (path: string): Promise<string | undefined> =>
    (await answerText(access, `${home}/${path}`, headers)).trim() || undefined;
  return {
    name: `GCE metadata ${url}`,
    askedOnce: false,
    isAvailable: async () => (await access.get(`${home}/hostname`, headers)) !== undefined,
    userData: async () => await answerOrNothing(access, `${home}/attributes/user-data`, headers),
    metadata: async (): Promise<Metadata> => {
      const publicIpv4 = await value("network-interfaces/0/access-configs/0/external-ip");
      const privateIpv4 = await value("network-interfaces/0/ip");
      return present({ publicIpv4, privateIpv4, hostname: await value("hostname") });
    },
  };
}
