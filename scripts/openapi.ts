import { writeFileSync } from "node:fs";
import { openApiDocument } from "../src/fleet/openapi.ts";

// Writes docs/openapi.json, which a test compares with what the API serves. The version in it is a word.
const path = new URL("../docs/openapi.json", import.meta.url);
writeFileSync(path, `${JSON.stringify(openApiDocument("VERSION"), null, 2)}\n`);
