import type { Call } from "../cli/command.ts";
import { cloudSigmaSource } from "../cloudinit/datasources/cloudsigma.ts";
import { configDriveSource } from "../cloudinit/datasources/config-drive.ts";
import { credentialSource } from "../cloudinit/datasources/credential.ts";
import type { Datasource, SourceAccess } from "../cloudinit/datasources/datasource.ts";
import { digitalOceanSource, digitalOceanUrl } from "../cloudinit/datasources/digitalocean.ts";
import { ec2Source, ec2Url } from "../cloudinit/datasources/ec2.ts";
import { fileSource } from "../cloudinit/datasources/file.ts";
import { gceSource, gceUrl } from "../cloudinit/datasources/gce.ts";
import { kernelCommandLineSource } from "../cloudinit/datasources/kernel-command-line.ts";
import { packetSource, packetUrl } from "../cloudinit/datasources/packet.ts";
import { urlSource } from "../cloudinit/datasources/url.ts";
import { guestInfoSource, ovfEnvironmentSource } from "../cloudinit/datasources/vmware.ts";
import { waagentSource } from "../cloudinit/datasources/waagent.ts";

/** A source that a flag names; one without a value is a switch. */
export interface SourceFlag {
  readonly flag: string;
  readonly value?: string;
  readonly summary: string;
  readonly open: (value: string, access: SourceAccess, call: Call) => Datasource;
}

/** Each source of user-data. */
export const sources: readonly SourceFlag[] = [
  { flag: "from-file", value: "PATH", summary: "read user-data from a file", open: fileSource },
  { flag: "from-url", value: "URL", summary: "fetch user-data from a URL", open: urlSource },
  {
    flag: "from-configdrive",
    value: "DIR",
    summary: "read data from a mounted config-drive",
    open: configDriveSource,
  },
  {
    flag: "from-ec2-metadata",
    value: "URL",
    summary: "fetch data from EC2's metadata service",
    open: ec2Source,
  },
  {
    flag: "from-gce-metadata",
    value: "URL",
    summary: "fetch data from GCE's metadata service",
    open: gceSource,
  },
  {
    flag: "from-digitalocean-metadata",
    value: "URL",
    summary: "fetch data from DigitalOcean's metadata service",
    open: digitalOceanSource,
  },
  {
    flag: "from-packet-metadata",
    value: "URL",
    summary: "fetch data from Packet's metadata service",
    open: packetSource,
  },
  {
    flag: "from-waagent",
    value: "DIR",
    summary: "read data from the folder of Azure's agent",
    open: waagentSource,
  },
  {
    flag: "from-cloudsigma-metadata",
    summary: "ask CloudSigma's hypervisor for data",
    open: (_, access) => cloudSigmaSource(access),
  },
  {
    flag: "from-vmware-ovf-env",
    value: "FILE",
    summary: "read data from a file of the OVF environment",
    open: ovfEnvironmentSource,
  },
  {
    flag: "from-metadata-service",
    summary: "the same as --from-ec2-metadata at EC2's address",
    open: (_, access) => ec2Source(ec2Url, access),
  },
  {
    flag: "from-proc-cmdline",
    summary: "fetch user-data from the cloud-config-url= on the kernel's command line",
    open: (_, access) => kernelCommandLineSource(access),
  },
  {
    flag: "from-vmware-guestinfo",
    summary: "ask VMware's hypervisor for data",
    open: (_, access) => guestInfoSource(access),
  },
  {
    flag: "from-credentials",
    summary: "read user-data from the credential cloud-config or user-data of systemd",
    open: (_, access, { variables }) => credentialSource(variables["CREDENTIALS_DIRECTORY"], access),
  },
];

/** What `--oem` stands for. */
export const presets: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  azure: { "from-waagent": "/var/lib/waagent" },
  cloudsigma: { "from-cloudsigma-metadata": "true" },
  digitalocean: { "from-digitalocean-metadata": digitalOceanUrl },
  "ec2-compat": { "from-ec2-metadata": ec2Url, "from-configdrive": "/media/configdrive" },
  gce: { "from-gce-metadata": gceUrl },
  packet: { "from-packet-metadata": packetUrl },
  "rackspace-onmetal": { "from-configdrive": "/media/configdrive", "convert-netconf": "debian" },
  vmware: { "from-vmware-guestinfo": "true", "convert-netconf": "vmware" },
};
