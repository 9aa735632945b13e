import type { Server } from "node:net";
import { Fault } from "../lib/fault.ts";

/** The first file descriptor that systemd passes (SD_LISTEN_FDS_START of sd_listen_fds(3)). */
const firstDescriptor = 3;

/** More sockets than any unit of ours could name; a larger number means the variable is not systemd's. */
const mostSockets = 64;

/** A socket that systemd opened for us and keeps open while we are away. */
export interface InheritedSocket {
  readonly descriptor: number;
  /** The socket unit's FileDescriptorName, which is the unit's name unless it says otherwise. */
  readonly name: string;
}

/** The sockets that `environment` says were passed to the process `pid`; none when it was not started by a socket unit. */
export function inheritedSockets(
  environment: Readonly<Record<string, string | undefined>>,
  pid: number,
): readonly InheritedSocket[] {
  if (Number(environment["LISTEN_PID"]) !== pid) return [];
  const count = Number(environment["LISTEN_FDS"]);
  if (!Number.isInteger(count) || count < 0 || count > mostSockets) {
    throw new Fault(
      "bad-listen-sockets",
      `cannot take over systemd's sockets: LISTEN_FDS is "${environment["LISTEN_FDS"] ?? ""}", not a number up to ${mostSockets}`,
    );
  }
  const names = (environment["LISTEN_FDNAMES"] ?? "").split(":");
  return Array.from({ length: count }, (_, index) => ({
    descriptor: firstDescriptor + index,
    name: names[index] || "unknown",
  }));
}

/** Takes this process's sockets out of `process.env`, so that no child believes they are its own. */
export function takeInheritedSockets(): readonly InheritedSocket[] {
  const sockets = inheritedSockets(process.env, process.pid);
  for (const variable of ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"]) delete process.env[variable];
  return sockets;
}

/** Where a server listens: a socket of systemd's, a path, or an address and port. */
export type ListenAddress =
  | InheritedSocket
  | { readonly path: string }
  | { readonly host: string; readonly port: number };

/** Resolves once `server` listens; throws Fault `cannot-listen`. Each address needs a server of its own. */
export function listen(server: Server, address: ListenAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error): void =>
      reject(
        new Fault("cannot-listen", `cannot listen on ${addressText(address)}: ${error.message}`, {
          cause: error,
        }),
      );
    server.once("error", failed);
    server.listen("descriptor" in address ? { fd: address.descriptor } : address, () => {
      server.removeListener("error", failed);
      resolve();
    });
  });
}

/** An address as logs and messages name it. */
export function addressText(address: ListenAddress): string {
  if ("descriptor" in address) return `the inherited socket ${address.name} (fd ${address.descriptor})`;
  return "path" in address ? address.path : `${address.host}:${address.port}`;
}
