/** Stands for @grpc/proto-loader in the bundles: grpc-js reads .proto files only for channelz, which nothing here serves. */
export function loadSync() {
  throw new Error("channelz is not part of this program");
}
