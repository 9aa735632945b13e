import packageFile from "../../package.json" with { type: "json" };

/** The version of Argosy, as `argosy version` and fleet's API tell it. */
export const productVersion: string = packageFile.version;
