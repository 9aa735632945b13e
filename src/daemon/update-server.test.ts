import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from "node:fs/promises";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { FakeEnv } from "../lib/fake-env.ts";
import { openMemoryStore } from "../store/memory.ts";
import type { Store } from "../store/store.ts";
import { checkResult } from "../update/offer.ts";
import { osAppId, parseResponse, printRequest } from "../update/omaha.ts";
import { newGroup } from "../update/server-records.ts";
import { UpdateRegistry } from "../update/update-registry.ts";
import { updateHttpServer } from "./update-server.ts";

const digest = "ab".repeat(32);
let images: string;
let store: Store;
let registry: UpdateRegistry;
let server: Server;
let url: string;

before(async () => {
  images = await mkdtemp(join(tmpdir(), "argosy-images-"));
  await mkdir(join(images, "2"));
  await writeFile(join(images, "2", "app_2.img"), "0123456789");
  await writeFile(join(images, "secret"), "secret");
  const env = new FakeEnv();
  store = openMemoryStore(env);
  registry = new UpdateRegistry(env, store);
  await registry.putRelease({ version: "2", urls: [], digest, packages: [{ name: "SHA256SUMS", size: 10 }] });
  await registry.changeChannel("stable", () => ({ name: "stable", version: "2", floors: [] }));
  await registry.changeGroup("stable", () => newGroup("stable"));
  server = updateHttpServer({
    env,
    registry,
    options: {
      listenOn: [],
      store: { kind: "embedded", folder: "" },
      images,
      url: undefined,
      appId: osAppId,
    },
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

after(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await store.close();
  await rm(images, { recursive: true });
});

function requestBody(track = "stable", appId = osAppId): string {
  return printRequest({
    updater: "t",
    installSource: "scheduler",
    os: { version: "", platform: "CoreOS", sp: "1_x86_64" },
    apps: [
      {
        appId,
        version: "1",
        track,
        bootId: "b",
        oem: "",
        oemVersion: "",
        alephVersion: "1",
        machineId: "0123",
        machineAlias: "",
        board: "amd64-usr",
        ping: true,
        updateCheck: true,
        events: [],
      },
    ],
  });
}

async function post(body: string, path = "/v1/update/"): Promise<Response> {
  return await fetch(`${url}${path}`, {
    method: "POST",
    body,
    headers: { "x-forwarded-for": "203.0.113.7, 10.0.0.1" },
  });
}

test("a machine is offered the release in this server's own folder, with and without the slash", async () => {
  for (const path of ["/v1/update/", "/v1/update"]) {
    const answer = await post(requestBody(), path);
    assert.deepEqual([answer.status, answer.headers.get("content-type")], [200, "text/xml"]);
    const result = checkResult(parseResponse(await answer.text()), osAppId);
    assert.deepEqual(
      result.kind === "offer" ? [result.offer.version, result.offer.folders, result.offer.digest] : result,
      ["2", [`${url}/releases/2/`], digest],
    );
  }
  const [machine] = await registry.machines();
  assert.deepEqual([machine?.id, machine?.address, machine?.status], ["0123", "203.0.113.7", "granted"]);
});

test("what cannot be read gets an empty answer, what is too long is refused, GET is not the protocol", async () => {
  const unreadable = await post("<request");
  assert.deepEqual([unreadable.status, await unreadable.text()], [200, ""]);
  for (const encoding of ["utf16le", "latin1"] as const) {
    const strange = Buffer.from(requestBody().replace('machinealias=""', 'machinealias="\u00fc"'), encoding);
    const answer = await fetch(`${url}/v1/update/`, { method: "POST", body: strange });
    assert.deepEqual([answer.status, await answer.text()], [200, ""], encoding);
  }
  assert.ok(server.timeout > 0, "a connection does not stand still for ever");
  const long = await post("x".repeat(1024 * 1024 + 1));
  assert.equal(long.status, 400);
  assert.equal((await post("x".repeat(1024 * 1024))).status, 200);
  const got = await fetch(`${url}/v1/update/`);
  assert.deepEqual([got.status, got.headers.get("allow")], [405, "POST"]);
});

test("an unknown product and an unknown group are told so", async () => {
  const status = async (body: string): Promise<string> =>
    parseResponse(await (await post(body)).text())?.apps[0]?.status ?? "";
  assert.equal(
    await status(requestBody("stable", "11111111-2222-3333-4444-555555555555")),
    "error-failedToRetrieveUpdatePackageInfo",
  );
  assert.equal(await status(requestBody("nobodys")), "error-failedToRetrieveUpdatePackageInfo");
  assert.equal(await status(requestBody("../halt")), "error-failedToRetrieveUpdatePackageInfo");
});

test("files of releases are served whole, in ranges, and by channel; nothing else is", async () => {
  const get = async (path: string, range?: string): Promise<readonly [number, string]> => {
    const answer = await fetch(`${url}${path}`, range === undefined ? {} : { headers: { range } });
    return [answer.status, await answer.text()];
  };
  assert.deepEqual(await get("/health"), [200, "OK\n"]);
  assert.deepEqual(await get("/releases/2/app_2.img"), [200, "0123456789"]);
  assert.deepEqual(await get("/releases/2/app_2.img", "bytes=2-4"), [206, "234"]);
  assert.deepEqual(await get("/releases/2/app_2.img", "bytes=-3"), [206, "789"]);
  assert.deepEqual((await get("/releases/2/app_2.img", "bytes=50-60"))[0], 416);
  const head = await fetch(`${url}/releases/2/app_2.img`, { method: "HEAD" });
  assert.deepEqual([head.status, head.headers.get("content-length"), await head.text()], [200, "10", ""]);
  await writeFile(join(images, "2", "empty_2.img"), "");
  assert.deepEqual(await get("/releases/2/empty_2.img"), [200, ""]);
  assert.deepEqual(await get("/channels/stable/app_2.img"), [200, "0123456789"]);
  await registry.putRelease({ version: "3", urls: ["http://elsewhere/3/"], digest, packages: [] });
  const sent = await fetch(`${url}/releases/3/app_3.img`, { redirect: "manual" });
  assert.deepEqual([sent.status, sent.headers.get("location")], [302, "http://elsewhere/3/app_3.img"]);
  await registry.setHalt("stop");
  assert.equal((await get("/channels/stable/app_2.img"))[0], 404);
  await registry.setHalt(undefined);
  for (const path of [
    "/secret",
    "/releases/2/..%2f..%2fsecret",
    "/releases/..%2f2/app_2.img",
    "/releases/2/%2e%2e",
    "/releases/2",
    "/releases/9/app_2.img",
    "/channels/none/app_2.img",
    "/releases/2/app_2.img/x",
    "/%ff/2/x",
  ])
    assert.equal((await get(path))[0], 404, path);
});

test("a link is followed within the folder of images, and not out of it", async () => {
  const outside = await mkdtemp(join(tmpdir(), "argosy-outside-"));
  await writeFile(join(outside, "app_4.img"), "not yours");
  await symlink(join(outside, "app_4.img"), join(images, "2", "link_2.img"));
  await symlink(outside, join(images, "4"));
  await symlink("2", join(images, "2.0"));
  await symlink(join(images, "2", "app_2.img"), join(images, "2", "again_2.img"));
  await mkdir(`${images}-beside`);
  await writeFile(`${images}-beside/app_2.img`, "not yours");
  await symlink(`${images}-beside`, join(images, "5"));
  try {
    const get = async (path: string): Promise<readonly [number, string]> => {
      const answer = await fetch(`${url}${path}`);
      return [answer.status, await answer.text()];
    };
    for (const path of ["/releases/2/link_2.img", "/releases/4/app_4.img", "/releases/5/app_2.img"])
      assert.deepEqual(await get(path), [404, "there is no such file\n"], path);
    assert.deepEqual(await get("/releases/2.0/app_2.img"), [200, "0123456789"]);
    assert.deepEqual(await get("/releases/2/again_2.img"), [200, "0123456789"]);
  } finally {
    await rm(outside, { recursive: true });
    await rm(`${images}-beside`, { recursive: true });
  }
});

test("whoever reads a file that becomes shorter is cut off, and does not wait for the rest", async () => {
  const path = join(images, "2", "large_2.img");
  await writeFile(path, Buffer.alloc(64 * 1024 * 1024));
  const answer = await fetch(`${url}/releases/2/large_2.img`);
  const reader = answer.body?.getReader();
  await reader?.read();
  await truncate(path, 1024);
  await assert.rejects(async () => {
    while ((await reader?.read())?.done === false);
  });
});
