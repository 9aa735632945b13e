import type { Action } from "../actions.ts";
import { decodeContent } from "../content.ts";
import { goQuoted } from "../../lib/go-quote.ts";
import { absolutePath } from "../paths.ts";
import type { TypedStruct } from "../read-config.ts";
import { bytesOf } from "../tree.ts";

/** Why a content cannot be decoded, which makes the whole user-data unusable; undefined when all can. */
export function contentProblem(config: TypedStruct): string | undefined {
  for (const file of config.structs("write_files")) {
    const decoded = contentOf(file);
    if ("problem" in decoded) return decoded.problem;
  }
  return undefined;
}

/** `write_files`, in order. */
export function writeFiles(config: TypedStruct): readonly Action[] {
  return config.structs("write_files").map((file): Action => {
    const permissions = file.text("permissions");
    if (permissions !== "" && !/^\+?[0-7]{1,10}$/.test(permissions)) {
      return {
        kind: "fail",
        sentence: `Unable to parse file permissions ${goQuoted(permissions)} as integer`,
      };
    }
    const path = absolutePath(file.text("path"));
    if (path === "/") return { kind: "fail", sentence: "A file of write_files has no path: give it one." };
    const decoded = contentOf(file);
    if ("problem" in decoded) return { kind: "fail", sentence: decoded.problem };
    const owner = file.text("owner");
    return {
      kind: "write-file",
      path,
      content: decoded.bytes,
      // The original loses the bits beyond those of permissions.
      mode: permissions === "" ? 0o644 : Number.parseInt(permissions, 8) & 0o777,
      ...(owner === "" ? {} : { owner }),
    };
  });
}

function contentOf(file: TypedStruct): ReturnType<typeof decodeContent> {
  const { text, binary } = file.raw("content");
  return decodeContent(bytesOf(text, binary), file.text("encoding"));
}
