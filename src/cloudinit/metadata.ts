/** What the machine's surroundings know of it, besides user-data. */
export interface Metadata {
  readonly hostname?: string;
  /** Keys of the user core, by name. */
  readonly sshKeys?: Readonly<Record<string, string>>;
  readonly publicIpv4?: string;
  readonly privateIpv4?: string;
  readonly publicIpv6?: string;
  readonly privateIpv6?: string;
  /** The network configuration in the datasource's own format. */
  readonly network?: unknown;
}

/** The addresses that `$public_ipv4` and its like stand for; empty text for one that nobody knows. */
export interface Addresses {
  readonly public_ipv4: string;
  readonly private_ipv4: string;
  readonly public_ipv6: string;
  readonly private_ipv6: string;
}

/** Addresses from the datasource, and from the environment where it knows none. */
export function addressesOf(
  metadata: Metadata,
  variables: Readonly<Record<string, string | undefined>>,
): Addresses {
  return {
    public_ipv4: metadata.publicIpv4 ?? variables["COREOS_PUBLIC_IPV4"] ?? "",
    private_ipv4: metadata.privateIpv4 ?? variables["COREOS_PRIVATE_IPV4"] ?? "",
    public_ipv6: metadata.publicIpv6 ?? variables["COREOS_PUBLIC_IPV6"] ?? "",
    private_ipv6: metadata.privateIpv6 ?? variables["COREOS_PRIVATE_IPV6"] ?? "",
  };
}
