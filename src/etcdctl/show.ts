import type { Call } from "../cli/command.ts";
import type { KeysResponse } from "../keys/client-keys.ts";
import { goJson } from "../keys/client-text.ts";
import type { ShownNode } from "../keys/model.ts";

/** Whether the output is meant for people and one value at a time. */
export function isSimple(call: Call): boolean {
  return call.flags.text("output") === "simple";
}

/** Prints an answer in the format that `--output` asks for. */
export function showResponse(call: Call, response: KeysResponse): void {
  const format = call.flags.text("output") ?? "";
  const { action, node, prevNode } = response;
  if (format === "simple") {
    const removed = action === "delete";
    call.stdout.write(removed ? `PrevNode.Value: ${prevNode?.value ?? ""}\n` : `${node.value ?? ""}\n`);
  } else if (format === "extended") {
    call.stdout.write(extendedText(response));
  } else if (format === "json") {
    call.stdout.write(`${goJson(wholeResponse(response))}\n`);
  } else {
    call.stderr.write(`Unsupported output format: ${format}\n`);
  }
}

function extendedText({ action, node, prevNode, index }: KeysResponse): string {
  return [
    `Key: ${node.key ?? ""}\n`,
    `Created-Index: ${node.createdIndex ?? 0}\n`,
    `Modified-Index: ${node.modifiedIndex ?? 0}\n`,
    prevNode === undefined ? "" : `PrevNode.Value: ${prevNode.value ?? ""}\n`,
    `TTL: ${node.ttl ?? 0}\n`,
    `Index: ${index}\n`,
    action === "delete" ? "" : `\n${node.value ?? ""}\n`,
  ].join("");
}

function wholeResponse({ action, node, prevNode }: KeysResponse): object {
  return { action, node: wholeNode(node), prevNode: prevNode === undefined ? null : wholeNode(prevNode) };
}

/** A node as clients of etcd 3.4 show it: in another order than the server, and with what is empty. */
function wholeNode(node: ShownNode): object {
  return {
    key: node.key ?? "",
    ...(node.dir === true && { dir: true }),
    value: node.value ?? "",
    nodes: node.nodes === undefined ? null : node.nodes.map(wholeNode),
    createdIndex: node.createdIndex ?? 0,
    modifiedIndex: node.modifiedIndex ?? 0,
    ...(node.expiration !== undefined && { expiration: node.expiration }),
    ...(node.ttl !== undefined && { ttl: node.ttl }),
  };
}
