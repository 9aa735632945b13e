import type { Call } from "../cli/command.ts";
import { KeysClient } from "../keys/client-keys.ts";
import type { Connect } from "./connect.ts";
import { keyOf, ttlOf } from "./key-arguments.ts";
import { exits, settle } from "./outcome.ts";
import { isSimple, showResponse } from "./show.ts";

/**
 * Makes or changes the directory that a call names.
 * @param exists whether it has to be there, or must not; undefined: either
 */
export async function putDirectory(
  call: Call,
  connect: Connect,
  exists: boolean | undefined,
): Promise<number> {
  return await settle(call, "keys", async () => {
    const key = keyOf(call);
    const ttl = ttlOf(call);
    const keys = new KeysClient(await connect(call));
    const response = await keys.put(key, { directory: true, ttl, ...(exists !== undefined && { exists }) });
    if (!isSimple(call)) showResponse(call, response);
    return exits.done;
  });
}
