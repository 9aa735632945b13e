import type { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";
import {
  CompactionRequest,
  CompactionResponse,
  LeaseGrantRequest,
  LeaseGrantResponse,
  LeaseKeepAliveRequest,
  LeaseKeepAliveResponse,
  LeaseRevokeRequest,
  LeaseRevokeResponse,
  MemberAddRequest,
  MemberAddResponse,
  MemberListRequest,
  MemberListResponse,
  MemberPromoteRequest,
  MemberPromoteResponse,
  MemberRemoveRequest,
  MemberRemoveResponse,
  MemberUpdateRequest,
  MemberUpdateResponse,
  MoveLeaderRequest,
  MoveLeaderResponse,
  RangeRequest,
  RangeResponse,
  StatusRequest,
  StatusResponse,
  TxnRequest,
  TxnResponse,
  WatchRequest,
  WatchResponse,
} from "../wire/generated/etcd.ts";

/** One gRPC method: its path and how its messages become bytes. */
export interface Method<Request, Response> {
  readonly path: string;
  readonly encode: (request: Request) => Buffer;
  readonly decode: (bytes: Buffer) => Response;
}

export const range = method("/etcdserverpb.KV/Range", RangeRequest, RangeResponse);
export const transact = method("/etcdserverpb.KV/Txn", TxnRequest, TxnResponse);
export const compact = method("/etcdserverpb.KV/Compact", CompactionRequest, CompactionResponse);
export const watch = method("/etcdserverpb.Watch/Watch", WatchRequest, WatchResponse);
export const grantLease = method("/etcdserverpb.Lease/LeaseGrant", LeaseGrantRequest, LeaseGrantResponse);
export const revokeLease = method("/etcdserverpb.Lease/LeaseRevoke", LeaseRevokeRequest, LeaseRevokeResponse);
/** A stream in both directions; with one request, which ends it, it can be called as if it were none. */
export const keepLeaseAlive = method(
  "/etcdserverpb.Lease/LeaseKeepAlive",
  LeaseKeepAliveRequest,
  LeaseKeepAliveResponse,
);

export const listMembers = method("/etcdserverpb.Cluster/MemberList", MemberListRequest, MemberListResponse);
export const addMember = method("/etcdserverpb.Cluster/MemberAdd", MemberAddRequest, MemberAddResponse);
export const removeMember = method(
  "/etcdserverpb.Cluster/MemberRemove",
  MemberRemoveRequest,
  MemberRemoveResponse,
);
export const updateMember = method(
  "/etcdserverpb.Cluster/MemberUpdate",
  MemberUpdateRequest,
  MemberUpdateResponse,
);
export const promoteMember = method(
  "/etcdserverpb.Cluster/MemberPromote",
  MemberPromoteRequest,
  MemberPromoteResponse,
);
/** Only the member that leads takes it. */
export const moveLeader = method(
  "/etcdserverpb.Maintenance/MoveLeader",
  MoveLeaderRequest,
  MoveLeaderResponse,
);
export const askStatus = method("/etcdserverpb.Maintenance/Status", StatusRequest, StatusResponse);

interface Codec<Message> {
  encode(message: Message): BinaryWriter;
  decode(input: BinaryReader | Uint8Array): Message;
}

function method<Request, Response>(
  path: string,
  request: Codec<Request>,
  response: Codec<Response>,
): Method<Request, Response> {
  return {
    path,
    encode: (message) => {
      const bytes = request.encode(message).finish();
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    },
    decode: (bytes) => response.decode(bytes),
  };
}
