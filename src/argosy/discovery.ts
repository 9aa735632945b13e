import type { CommandGroup } from "../cli/command.ts";
import { discoveryNewCommand } from "./discovery-new.ts";
import { discoveryServeCommand, type ServeDiscovery } from "./discovery-serve.ts";

/** `argosy discovery`: how machines that know nothing of each other become a cluster. */
export function discoveryCommand(serve: ServeDiscovery): CommandGroup {
  return {
    name: "discovery",
    summary: "Run a discovery service, or get a token of one",
    description:
      "A discovery service keeps tokens. Machines that are given the same token register below it, and become one " +
      "cluster as soon as as many have come as the token was made for. It speaks the protocol of discovery.etcd.io.",
    commands: [discoveryServeCommand(serve), discoveryNewCommand],
  };
}
