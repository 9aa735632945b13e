import packageFile from "../../package.json" with { type: "json" };

/** The version of Argosy, as every command and the fleet API tell it. */
export const productVersion: string = packageFile.version;
