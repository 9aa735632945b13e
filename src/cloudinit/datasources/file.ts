import { type Datasource, fileOrNothing, type SourceAccess } from "./datasource.ts";

/** A file of user-data, without metadata (`-from-file`). */
export function fileSource(path: string, access: SourceAccess): Datasource {
  return {
    name: `local file ${path}`,
    askedOnce: false,
    isAvailable: async () => (await access.readFile(path)) !== undefined,
    userData: async () => await fileOrNothing(access, path),
    metadata: async () => ({}),
  };
}
