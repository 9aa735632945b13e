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

/** Changes who the members are; rejects with Faults, those of `memberFaults` among them. */
export interface MemberChanges {
  /** Lets a member in; it has no name until it is started. */
  add(peerUrls: readonly string[]): Promise<ClusterMember>;
  /** Changes where the others reach a member. */
  update(id: string, peerUrls: readonly string[]): Promise<void>;
  remove(id: string): Promise<void>;
}

/** Codes of Faults that clients of the v2 API are told as more than a failure. */
export const memberFaults = {
  /** A member has that address already. */
  exists: "member-exists",
  unknown: "no-such-member",
  /** The store is that of one machine. */
  fixed: "members-fixed",
} as const;

/** A store without members of its own: the gateway is all there is. */
export function clusterNamed(name: string, id: string): Cluster {
  return { members: [{ id, name, peerUrls: [] }], leader: id, own: id };
}

/** The same under etcd's default name. */
export const clusterOfOne: Cluster = clusterNamed("default", "1");
