import { answerOrNothing, type Datasource, type SourceAccess } from "./datasource.ts";

/** A URL of user-data, without metadata (`-from-url`). */
export function urlSource(url: string, access: SourceAccess): Datasource {
  return {
    name: url,
    askedOnce: false,
    isAvailable: async () => (await access.get(url)) !== undefined,
    userData: async () => await answerOrNothing(access, url),
    metadata: async () => ({}),
  };
}
