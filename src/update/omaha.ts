import { childOf, childrenOf, element, parseXml, printXml, type XmlElement } from "./xml.ts";

/** The product id of CoreOS's operating system in the Omaha protocol; Argosy's image uses it unless told otherwise. */
export const osAppId = "e96281a6-d1af-4bde-9a0a-97b76e56dc57";

/** Omaha protocol version 3, the request as a machine sends it. */
export interface OmahaRequest {
  /** The program that asks, such as `update_engine-0.1.0`. */
  readonly updater: string;
  readonly installSource: string;
  readonly os: {
    readonly version: string;
    readonly platform: string;
    readonly sp: string;
    readonly arch?: string;
  };
  readonly apps: readonly OmahaApp[];
}

export interface OmahaApp {
  /** Without braces, and as the client wrote it, because some look for the same in the answer. */
  readonly appId: string;
  readonly version: string;
  readonly track: string;
  readonly bootId: string;
  readonly oem: string;
  readonly oemVersion: string;
  readonly alephVersion: string;
  readonly machineId: string;
  readonly machineAlias: string;
  readonly board: string;
  readonly ping: boolean;
  readonly updateCheck: boolean;
  readonly events: readonly OmahaEvent[];
}

/** Something that happened on a machine. The numbers are Omaha's: 3/2 is an update that runs, 3/0 a failure. */
export interface OmahaEvent {
  readonly type: number;
  readonly result: number;
  readonly previousVersion?: string;
  readonly errorCode?: number;
}

export interface OmahaResponse {
  readonly apps: readonly OmahaAnswer[];
}

export interface OmahaAnswer {
  readonly appId: string;
  readonly status: string;
  readonly ping: boolean;
  readonly updateCheck?: OmahaUpdateCheck;
  /** How many events were taken. */
  readonly events: number;
}

export interface OmahaUpdateCheck {
  readonly status: string;
  readonly pollSeconds?: number;
  /** Each with its final slash: what is downloaded is this and the package's name. */
  readonly codebases: readonly string[];
  readonly manifest?: OmahaManifest;
}

export interface OmahaManifest {
  readonly version: string;
  readonly packages: readonly OmahaPackage[];
  /** The action for after the installation; undefined when there is none. */
  readonly postinstall?: {
    /** Base64 of the first package's SHA-256. */
    readonly sha256: string;
    readonly mostFailuresPerUrl?: number;
    readonly disablePayloadBackoff: boolean;
  };
}

export interface OmahaPackage {
  readonly name: string;
  /** Base64; not what trust rests on. */
  readonly sha1?: string;
  /** Hexadecimal. */
  readonly sha256?: string;
  /** Bytes. */
  readonly size: number;
}

/** An app's id as it is compared: braces and case do not matter. */
export function plainAppId(text: string): string {
  return withoutBraces(text).toLowerCase();
}

/** update_engine puts braces around some of its ids, and other clients around all. */
function withoutBraces(text: string): string {
  return text.replace(/^\{(.*)\}$/, "$1");
}

/** The text of a request, as update_engine writes it. */
export function printRequest({ updater, installSource, os, apps }: OmahaRequest): string {
  const attributes = {
    protocol: "3.0",
    version: updater,
    updaterversion: updater,
    installsource: installSource,
    ismachine: "1",
  };
  return printXml(element("request", attributes, [element("os", { ...os }), ...apps.map(requestApp)]));
}

function requestApp(app: OmahaApp): XmlElement {
  const attributes = {
    appid: `{${app.appId}}`,
    version: app.version,
    track: app.track,
    bootid: `{${app.bootId}}`,
    oem: app.oem,
    oemversion: app.oemVersion,
    alephversion: app.alephVersion,
    machineid: app.machineId,
    machinealias: app.machineAlias,
    lang: "en-US",
    board: app.board,
    hardware_class: "",
    delta_okay: "false",
  };
  return element("app", attributes, [
    ...(app.ping ? [element("ping", { active: "1" })] : []),
    ...(app.updateCheck ? [element("updatecheck", {})] : []),
    ...app.events.map(({ type, result, previousVersion, errorCode }) =>
      element("event", {
        eventtype: type,
        eventresult: result,
        previousversion: previousVersion,
        errorcode: result === 1 ? undefined : errorCode,
      }),
    ),
  ]);
}

/** Reads a request; undefined when it is none. What is unknown is passed over. */
export function parseRequest(text: string): OmahaRequest | undefined {
  const root = parseXml(text);
  if (root === undefined || root.name !== "request" || root.attributes["protocol"] !== "3.0")
    return undefined;
  const os = childOf(root, "os")?.attributes ?? {};
  return {
    updater: root.attributes["version"] ?? "",
    installSource: root.attributes["installsource"] ?? "",
    os: {
      version: os["version"] ?? "",
      platform: os["platform"] ?? "",
      sp: os["sp"] ?? "",
      ...(os["arch"] === undefined ? {} : { arch: os["arch"] }),
    },
    apps: childrenOf(root, "app").map(parseApp),
  };
}

function parseApp(app: XmlElement): OmahaApp {
  const of = (name: string): string => app.attributes[name] ?? "";
  return {
    appId: withoutBraces(of("appid")),
    version: of("version"),
    track: of("track"),
    bootId: withoutBraces(of("bootid")),
    oem: of("oem"),
    oemVersion: of("oemversion"),
    alephVersion: of("alephversion"),
    machineId: withoutBraces(of("machineid")),
    machineAlias: of("machinealias"),
    board: of("board"),
    ping: childOf(app, "ping") !== undefined,
    updateCheck: childOf(app, "updatecheck") !== undefined,
    events: childrenOf(app, "event").map(({ attributes }) => ({
      type: numberOf(attributes["eventtype"]) ?? 0,
      result: numberOf(attributes["eventresult"]) ?? 0,
      ...(attributes["previousversion"] === undefined
        ? {}
        : { previousVersion: attributes["previousversion"] }),
      ...withNumber("errorCode", attributes["errorcode"]),
    })),
  };
}

/** The text of an answer. */
export function printResponse({ apps }: OmahaResponse): string {
  return printXml(
    element("response", { protocol: "3.0", server: "argosy" }, [
      element("daystart", { elapsed_seconds: "0" }),
      ...apps.map(responseApp),
    ]),
  );
}

function responseApp({ appId, status, ping, updateCheck, events }: OmahaAnswer): XmlElement {
  return element("app", { appid: appId, status }, [
    ...(ping ? [element("ping", { status: "ok" })] : []),
    ...(updateCheck === undefined ? [] : [responseCheck(updateCheck)]),
    ...Array.from({ length: events }, () => element("event", { status: "ok" })),
  ]);
}

function responseCheck({ status, pollSeconds, codebases, manifest }: OmahaUpdateCheck): XmlElement {
  const attributes = { status, PollInterval: pollSeconds };
  if (manifest === undefined) return element("updatecheck", attributes);
  const { version, packages, postinstall } = manifest;
  const actions =
    postinstall === undefined
      ? []
      : [
          element("action", {
            event: "postinstall",
            sha256: postinstall.sha256,
            DisplayVersion: "",
            needsadmin: "false",
            IsDeltaPayload: "false",
            MaxFailureCountPerUrl: postinstall.mostFailuresPerUrl,
            DisablePayloadBackoff: String(postinstall.disablePayloadBackoff),
            MetadataSignatureRsa: "",
            MetadataSize: "",
            deadline: "",
          }),
        ];
  return element("updatecheck", attributes, [
    element(
      "urls",
      {},
      codebases.map((codebase) => element("url", { codebase })),
    ),
    element("manifest", { version }, [
      element(
        "packages",
        {},
        packages.map(({ name, sha1, sha256, size }) =>
          element("package", { name, hash: sha1, hash_sha256: sha256, size, required: "true" }),
        ),
      ),
      element("actions", {}, actions),
    ]),
  ]);
}

/** Reads an answer; undefined when it is none. */
export function parseResponse(text: string): OmahaResponse | undefined {
  const root = parseXml(text);
  if (root === undefined || root.name !== "response") return undefined;
  return {
    apps: childrenOf(root, "app").map((app) => {
      const check = childOf(app, "updatecheck");
      return {
        appId: plainAppId(app.attributes["appid"] ?? ""),
        status: app.attributes["status"] ?? "",
        ping: childOf(app, "ping") !== undefined,
        ...(check === undefined ? {} : { updateCheck: parseCheck(check) }),
        events: childrenOf(app, "event").length,
      };
    }),
  };
}

function parseCheck(check: XmlElement): OmahaUpdateCheck {
  const manifest = childOf(check, "manifest");
  return {
    status: check.attributes["status"] ?? "",
    ...withNumber("pollSeconds", check.attributes["PollInterval"]),
    codebases: childrenOf(childOf(check, "urls"), "url").flatMap(
      ({ attributes }) => attributes["codebase"] ?? [],
    ),
    ...(manifest === undefined ? {} : { manifest: parseManifest(manifest) }),
  };
}

function parseManifest(manifest: XmlElement): OmahaManifest {
  const action = childrenOf(childOf(manifest, "actions"), "action").find(
    ({ attributes }) => attributes["event"] === "postinstall",
  )?.attributes;
  return {
    version: manifest.attributes["version"] ?? "",
    packages: childrenOf(childOf(manifest, "packages"), "package").map(({ attributes }) => ({
      name: attributes["name"] ?? "",
      ...(attributes["hash"] === undefined ? {} : { sha1: attributes["hash"] }),
      ...(attributes["hash_sha256"] === undefined ? {} : { sha256: attributes["hash_sha256"] }),
      size: numberOf(attributes["size"]) ?? 0,
    })),
    ...(action === undefined
      ? {}
      : {
          postinstall: {
            sha256: action["sha256"] ?? "",
            ...withNumber("mostFailuresPerUrl", action["MaxFailureCountPerUrl"]),
            disablePayloadBackoff: action["DisablePayloadBackoff"] === "true",
          },
        }),
  };
}

function withNumber<Name extends string>(
  name: Name,
  text: string | undefined,
): { readonly [Key in Name]?: number } {
  const number = numberOf(text);
  return (number === undefined ? {} : { [name]: number }) as { readonly [Key in Name]?: number };
}

function numberOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
