import { answerOrNothing, type Datasource, fileOrNothing, type SourceAccess } from "./datasource.ts";

/** The last `cloud-config-url=` of a kernel command line, in whichever spelling; undefined without one. */
export function urlOnCommandLine(commandLine: string): string | undefined {
  return commandLine
    .split(/\s+/)
    .map((word) => /^cloud[-_]config[-_]url=(.+)$/.exec(word)?.[1])
    .findLast((url) => url !== undefined);
}

/** A URL on the kernel's command line (`-from-proc-cmdline`). */
export function kernelCommandLineSource(access: SourceAccess): Datasource {
  const url = async (): Promise<string | undefined> =>
    urlOnCommandLine(new TextDecoder().decode(await fileOrNothing(access, "/proc/cmdline")));
  return {
    name: "the kernel's command line",
    askedOnce: true,
    isAvailable: async () => (await url()) !== undefined,
    userData: async () => {
      const found = await url();
      return found === undefined ? new Uint8Array() : await answerOrNothing(access, found);
    },
    metadata: async () => ({}),
  };
}
