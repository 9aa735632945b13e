import { readFileSync } from "node:fs";
import { createSecureContext, type SecureContext } from "node:tls";
import { Fault, sentenceOf } from "../lib/fault.ts";

/** Files for TLS; empty: none. Without `caFile` the system's authorities count. */
export interface TlsFiles {
  readonly keyFile: string;
  readonly certFile: string;
  readonly caFile: string;
}

/** How a client and its servers prove who they are. */
export interface TlsIdentity extends TlsFiles {
  /** What the servers' certificates have to be for; empty or left out: each for the host of its address. */
  readonly serverName?: string;
}

/** Reads and checks the files. Throws Fault `file-unreadable` in the words of etcd's own client. */
export function readTls({ keyFile, certFile, caFile }: TlsFiles): SecureContext {
  if ((keyFile === "") !== (certFile === "")) {
    throw new Fault(
      "file-unreadable",
      `KeyFile and CertFile must both be present[key: ${keyFile}, cert: ${certFile}]`,
    );
  }
  const files = {
    ...(certFile !== "" && { cert: readText(certFile), key: readText(keyFile) }),
    ...(caFile !== "" && { ca: readText(caFile) }),
  };
  try {
    return createSecureContext(files);
  } catch (error) {
    throw new Fault("file-unreadable", fileTroubles.get(codeOf(error)) ?? sentenceOf(error), {
      cause: error,
    });
  }
}

const fileTroubles: ReadonlyMap<string, string> = new Map([
  ["ERR_OSSL_X509_KEY_VALUES_MISMATCH", "tls: private key does not match public key"],
  ["ERR_OSSL_PEM_NO_START_LINE", "tls: failed to find any PEM data in certificate input"],
]);

/** What is wrong with a server's certificate, or with ours, in the words of Go; undefined when it is something else. */
export function certificateTrouble(error: Error): string | undefined {
  const code = codeOf(error);
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") return wrongName(error);
  const known = certificateTroubles.get(code);
  if (known !== undefined) return known;
  // Our own certificate was refused: the alert of the other side is all there is.
  const [, alert] = /:SSL alert number (\d+)/.exec(error.message) ?? [];
  return alert === undefined ? undefined : `remote error: tls: ${alerts.get(alert) ?? `alert(${alert})`}`;
}

const unknownAuthority = "x509: certificate signed by unknown authority";
const certificateTroubles: ReadonlyMap<string, string> = new Map([
  ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", unknownAuthority],
  ["UNABLE_TO_GET_ISSUER_CERT_LOCALLY", unknownAuthority],
  ["UNABLE_TO_GET_ISSUER_CERT", unknownAuthority],
  ["SELF_SIGNED_CERT_IN_CHAIN", unknownAuthority],
  ["DEPTH_ZERO_SELF_SIGNED_CERT", unknownAuthority],
  ["CERT_SIGNATURE_FAILURE", unknownAuthority],
  ["CERT_HAS_EXPIRED", "x509: certificate has expired or is not yet valid"],
  ["CERT_NOT_YET_VALID", "x509: certificate has expired or is not yet valid"],
  ["INVALID_PURPOSE", "x509: certificate specifies an incompatible key usage"],
]);

/** Names of alerts in RFC 8446, section 6.2, as Go prints them. */
const alerts: ReadonlyMap<string, string> = new Map([
  ["40", "handshake failure"],
  ["42", "bad certificate"],
  ["43", "unsupported certificate"],
  ["45", "expired certificate"],
  ["46", "unknown certificate"],
  ["48", "unknown certificate authority"],
  ["116", "certificate required"],
]);

/** Node keeps the names of the certificate as one text: `IP Address:127.0.0.1, DNS:localhost`. */
function wrongName(error: Error): string {
  const { host = "", cert } = error as Error & { host?: string; cert?: { subjectaltname?: string } };
  const names = (cert?.subjectaltname ?? "").split(", ");
  const kind = /^[\d.]+$|:/.test(host) ? "IP Address:" : "DNS:";
  const valid = names.filter((name) => name.startsWith(kind)).map((name) => name.slice(kind.length));
  if (valid.length > 0) return `x509: certificate is valid for ${valid.join(", ")}, not ${host}`;
  return `x509: certificate is not valid for any names, but wanted to match ${host}`;
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const why = codeOf(error) === "ENOENT" ? "no such file or directory" : String(error);
    throw new Fault("file-unreadable", `open ${path}: ${why}`, { cause: error });
  }
}
