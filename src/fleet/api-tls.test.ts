import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type ServerOptions } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { FleetClient } from "./api-client.ts";
import { transportTo } from "./api-transport.ts";

/** For localhost, signed by itself, good for a hundred years; it guards nothing. */
const key = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg4keucBsoNJDw208A
a0MTPxewV5fthJEz1WFaLGp3LpuhRANCAATo78GVaZxtJXby3oB4Je2cqXgOieIC
bJVVMeSa9di9Z+nuaF4ZG4BcB0bawn6FrkbZxkcLXrDD9Wmt10eZaZbe
-----END PRIVATE KEY-----
`;
const cert = `-----BEGIN CERTIFICATE-----
MIIBmzCCAUGgAwIBAgIUS1ZUUehkfZBCFagKyVEsIulX/BQwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMjExMDIxOVoYDzIxMjYxMDI5
MTEwMjE5WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAATo78GVaZxtJXby3oB4Je2cqXgOieICbJVVMeSa9di9Z+nuaF4ZG4Bc
B0bawn6FrkbZxkcLXrDD9Wmt10eZaZbeo28wbTAdBgNVHQ4EFgQUhGVxr0Hb54jC
eRYaMxeLGaMv1+MwHwYDVR0jBBgwFoAUhGVxr0Hb54jCeRYaMxeLGaMv1+MwDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDSAAwRQIhALPp74QClQYeCgsv8xrVJmE90FjYaJPHV9DXFkrn/yEaAiA+
foIbv/qAVqnIfH0hcbJYvCjwe7hJP5rnkrI1RYsFDg==
-----END CERTIFICATE-----
`;
const machines = [{ id: "1".repeat(32), primaryIP: "10.0.0.1" }];

let folder = "";
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "argosy-tls-"));
  await writeFile(join(folder, "key"), key);
  await writeFile(join(folder, "cert"), cert);
});
after(async () => await rm(folder, { recursive: true, force: true }));

/** What a client with these files gets from an API behind TLS, in which `more` is demanded. */
async function machinesOver(
  files: { readonly caFile?: string; readonly certFile?: string; readonly keyFile?: string },
  more: ServerOptions = {},
  at = "localhost",
): Promise<unknown> {
  const server = createServer({ key, cert, ...more }, (_request, response) => {
    response.end(JSON.stringify({ machines }));
  });
  server.listen(0, at.startsWith("127.") ? at : "localhost");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const named = Object.entries(files).map(([name, file]) => [name, join(folder, file)]);
  const tls = { caFile: "", certFile: "", keyFile: "", ...Object.fromEntries(named) };
  try {
    return await new FleetClient(transportTo(`https://${at}:${port}`, tls)).machines();
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

test("the certificate of a server is checked, against the authority that is named", async () => {
  await assert.rejects(machinesOver({}), {
    code: "endpoint-unreachable",
    message: /nobody who is trusted here has signed its certificate/,
  });
  assert.deepEqual(await machinesOver({ caFile: "cert" }), machines);
});

test("an address is checked as a name is", async () => {
  assert.deepEqual(await machinesOver({ caFile: "cert" }, {}, "127.0.0.1"), machines);
  await assert.rejects(machinesOver({ caFile: "cert" }, {}, "127.0.0.2"), {
    code: "endpoint-unreachable",
    message: /IP: 127\.0\.0\.2 is not in the cert's list/,
  });
});

test("a server may demand a certificate of the client", async () => {
  const demanding = { requestCert: true, ca: cert };
  await assert.rejects(machinesOver({ caFile: "cert" }, demanding), { code: "endpoint-unreachable" });
  assert.deepEqual(
    await machinesOver({ caFile: "cert", certFile: "cert", keyFile: "key" }, demanding),
    machines,
  );
});
