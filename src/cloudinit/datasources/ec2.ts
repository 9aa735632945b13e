import type { Metadata } from "../metadata.ts";
import { answerOrNothing, answerText, type Datasource, type SourceAccess } from "./datasource.ts";
import { present } from "./json.ts";

/** Where EC2's metadata service answers. */
export const ec2Url = "http://169.254.169.254/";

/** EC2's metadata service and those that follow it (`-from-ec2-metadata`). */
export function ec2Source(url: string, access: SourceAccess): Datasource {
  const home = `${url.replace(/\/+$/, "")}/2009-04-04`;
  const value = async (path: string): Promise<string | undefined> =>
    (await answerText(access, `${home}/meta-data/${path}`)).trim() || undefined;
  return {
    name: `EC2 metadata ${url}`,
    askedOnce: false,
    isAvailable: async () => (await access.get(`${home}/meta-data`)) !== undefined,
    userData: async () => await answerOrNothing(access, `${home}/user-data`),
    metadata: async (): Promise<Metadata> => {
      const sshKeys: Record<string, string> = {};
      for (const line of ((await value("public-keys")) ?? "").split("\n")) {
        const [, number, name] = /^(\d+)=(.*)$/.exec(line.trim()) ?? [];
        const key = number === undefined ? undefined : await value(`public-keys/${number}/openssh-key`);
        if (name !== undefined && key !== undefined) sshKeys[name] = key;
      }
      const hostname = (await value("hostname"))?.split(/\s/, 1)[0];
      const [privateIpv4, publicIpv4] = [await value("local-ipv4"), await value("public-ipv4")];
      return { sshKeys, ...present({ hostname, privateIpv4, publicIpv4 }) };
    },
  };
}
