/** Who keeps the store, as the v2 API tells it; identities are hexadecimal, without zeros in front. */
export interface Cluster {
  /** By identity, lowest first. */
  readonly members: readonly ClusterMember[];
  /** Undefined during an election. */
  readonly leader: string | undefined;
  /** The member that this gateway asks. */
  readonly own: string;
}

export interface ClusterMember {
  readonly id: string;
  /** Empty while the member has never been started. */
  readonly name: string;
  readonly peerUrls: readonly string[];
}

/** A store without members of its own: the gateway is all there is. */
export function clusterNamed(name: string, id: string): Cluster {
  return { members: [{ id, name, peerUrls: [] }], leader: id, own: id };
}

/** The same under etcd's default name. */
export const clusterOfOne: Cluster = clusterNamed("default", "1");
