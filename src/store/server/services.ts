import type { MethodDefinition, ServiceDefinition } from "@grpc/grpc-js";
import type { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";
import * as wire from "../wire/generated/etcd.ts";

interface Codec<Message> {
  encode(message: Message): BinaryWriter;
  decode(input: BinaryReader | Uint8Array): Message;
}

/** The methods of etcd's gRPC services that the embedded store answers, by the names they have here. */
export const services = {
  range: unary("KV/Range", wire.RangeRequest, wire.RangeResponse),
  put: unary("KV/Put", wire.PutRequest, wire.PutResponse),
  deleteRange: unary("KV/DeleteRange", wire.DeleteRangeRequest, wire.DeleteRangeResponse),
  transact: unary("KV/Txn", wire.TxnRequest, wire.TxnResponse),
  compact: unary("KV/Compact", wire.CompactionRequest, wire.CompactionResponse),
  watch: stream("Watch/Watch", wire.WatchRequest, wire.WatchResponse),
  grantLease: unary("Lease/LeaseGrant", wire.LeaseGrantRequest, wire.LeaseGrantResponse),
  revokeLease: unary("Lease/LeaseRevoke", wire.LeaseRevokeRequest, wire.LeaseRevokeResponse),
  keepLeaseAlive: stream("Lease/LeaseKeepAlive", wire.LeaseKeepAliveRequest, wire.LeaseKeepAliveResponse),
  timeToLive: unary("Lease/LeaseTimeToLive", wire.LeaseTimeToLiveRequest, wire.LeaseTimeToLiveResponse),
  listLeases: unary("Lease/LeaseLeases", wire.LeaseLeasesRequest, wire.LeaseLeasesResponse),
  listMembers: unary("Cluster/MemberList", wire.MemberListRequest, wire.MemberListResponse),
  askStatus: unary("Maintenance/Status", wire.StatusRequest, wire.StatusResponse),
  listAlarms: unary("Maintenance/Alarm", wire.AlarmRequest, wire.AlarmResponse),
} satisfies ServiceDefinition;

function unary<Request, Response>(
  name: string,
  request: Codec<Request>,
  response: Codec<Response>,
): MethodDefinition<Request, Response> {
  return { ...stream(name, request, response), requestStream: false, responseStream: false };
}

function stream<Request, Response>(
  name: string,
  request: Codec<Request>,
  response: Codec<Response>,
): MethodDefinition<Request, Response> {
  return {
    path: `/etcdserverpb.${name}`,
    requestStream: true,
    responseStream: true,
    requestSerialize: serializer(request),
    requestDeserialize: (bytes) => request.decode(bytes),
    responseSerialize: serializer(response),
    responseDeserialize: (bytes) => response.decode(bytes),
  };
}

function serializer<Message>(codec: Codec<Message>): (message: Message) => Buffer {
  return (message) => {
    const bytes = codec.encode(message).finish();
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };
}
