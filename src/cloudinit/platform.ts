/** What a machine's firmware says of itself (/sys/class/dmi/id), by the names of the files there. */
export type Firmware = Readonly<Record<string, string>>;

/** The files that tell providers apart. */
export const firmwareFiles = [
  "sys_vendor",
  "product_name",
  "product_version",
  "bios_vendor",
  "chassis_asset_tag",
] as const;

/** Each provider that is known by its firmware, with the preset of `--oem` for it. The first that fits counts. */
const providers: readonly (readonly [keyof Firmware, RegExp, string])[] = [
  ["chassis_asset_tag", /^7783-7084-3265-9085-8269-3286-77$/, "azure"],
  ["product_name", /^CloudSigma$/, "cloudsigma"],
  ["sys_vendor", /^DigitalOcean$/, "digitalocean"],
  ["product_name", /^Google Compute Engine$/, "gce"],
  ["sys_vendor", /^(Packet|Equinix Metal)/, "packet"],
  ["sys_vendor", /^VMware, Inc\.$/, "vmware"],
  ["sys_vendor", /^Amazon EC2$/, "ec2-compat"],
  ["bios_vendor", /^Amazon EC2$/, "ec2-compat"],
  ["product_version", /\.amazon$/, "ec2-compat"],
  ["sys_vendor", /^OpenStack Foundation$/, "ec2-compat"],
  ["product_name", /^OpenStack/, "ec2-compat"],
];

/**
 * One expression for grep -E that a line of some firmware file of a known provider fits, and hardly any of another machine:
 * where it finds nothing, nothing has to be started to look closer.
 */
export const anyProvider = providers.map(([, pattern]) => pattern.source.replaceAll("\\.", "[.]")).join("|");

/** What CoreOS's images were told on the kernel's command line, where presets have another name. */
const otherNames: Readonly<Record<string, string>> = {
  ec2: "ec2-compat",
  openstack: "ec2-compat",
  rackspace: "ec2-compat",
  vmware_insecure: "vmware",
  vmware_raw: "vmware",
};

/**
 * The preset of the provider that a machine runs at: what `coreos.oem.id=` on the kernel's command line says, else what
 * the firmware looks like. Undefined when nobody is known there, and for `coreos.oem.id=none`.
 */
export function presetOf(
  commandLine: string,
  firmware: Firmware,
  presets: readonly string[],
): string | undefined {
  const told = commandLine
    .split(/\s+/)
    .map((word) => /^coreos\.oem\.id=(.+)$/.exec(word)?.[1])
    .findLast((name) => name !== undefined);
  const found = providers.find(([file, pattern]) => pattern.test(firmware[file] ?? ""))?.[2];
  const name = told === undefined ? found : (otherNames[told] ?? told);
  return name !== undefined && presets.includes(name) ? name : undefined;
}
