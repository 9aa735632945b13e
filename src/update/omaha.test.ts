import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { errorCodes, plainCode, wordsOf } from "./error-codes.ts";
import { base64OfHex, checkResult, hexOfBase64 } from "./offer.ts";
import {
  type OmahaRequest,
  osAppId,
  parseRequest,
  parseResponse,
  printRequest,
  printResponse,
} from "./omaha.ts";
import { parseXml } from "./xml.ts";

/** A request as CoreOS's update_engine sends it. */
const requestText = `<?xml version="1.0" encoding="UTF-8"?>
<request protocol="3.0" version="update_engine-0.4.10" updaterversion="update_engine-0.4.10" installsource="scheduler" ismachine="1">
  <os version="Chateau" platform="CoreOS" sp="3033.2.0_x86_64"></os>
  <app appid="{e96281a6-d1af-4bde-9a0a-97b76e56dc57}" version="3033.2.0" track="stable" bootid="{5bd1}" oem="qemu" oemversion="" alephversion="3033.2.0" machineid="0123" machinealias="" lang="en-US" board="amd64-usr" hardware_class="" delta_okay="false">
    <ping active="1"></ping>
    <updatecheck></updatecheck>
    <event eventtype="3" eventresult="2" previousversion="3033.1.0"></event>
  </app>
</request>
`;

const request: OmahaRequest = {
  updater: "update_engine-0.4.10",
  installSource: "scheduler",
  os: { version: "Chateau", platform: "CoreOS", sp: "3033.2.0_x86_64" },
  apps: [
    {
      appId: osAppId,
      version: "3033.2.0",
      track: "stable",
      bootId: "5bd1",
      oem: "qemu",
      oemVersion: "",
      alephVersion: "3033.2.0",
      machineId: "0123",
      machineAlias: "",
      board: "amd64-usr",
      ping: true,
      updateCheck: true,
      events: [{ type: 3, result: 2, previousVersion: "3033.1.0" }],
    },
  ],
};

const digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

/** An answer as the servers of CoreOS gave it. */
function answerText(check: string): string {
  return `<response protocol="3.0" server="nebraska">
  <daystart elapsed_seconds="0"/>
  <app appid="e96281a6-d1af-4bde-9a0a-97b76e56dc57" status="ok">
    <ping status="ok"/>
    ${check}
    <event status="ok"/>
  </app>
</response>`;
}

function updateText(parts: {
  readonly packages?: string;
  readonly action?: string;
  readonly urls?: string;
}): string {
  const packages =
    parts.packages ??
    `<package name="update.gz" hash="SHA1" hash_sha256="${digest}" size="403231231" required="true"/>`;
  const action =
    parts.action ??
    `<action event="postinstall" sha256="${base64OfHex(digest)}" DisplayVersion="" needsadmin="false" IsDeltaPayload="false" DisablePayloadBackoff="true" MetadataSignatureRsa="" MetadataSize="" deadline=""/>`;
  return answerText(`<updatecheck status="ok" PollInterval="3600">
      <urls>${parts.urls ?? '<url codebase="https://updates.example.com/3139.2.0/"/>'}</urls>
      <manifest version="3139.2.0">
        <packages>${packages}</packages>
        <actions>${action}</actions>
      </manifest>
    </updatecheck>`);
}

test("a request is printed to the byte as update_engine prints it, and read back", () => {
  assert.equal(printRequest(request), requestText);
  assert.deepEqual(parseRequest(requestText), request);
});

test("an offer is understood with everything that the engine needs of it", () => {
  assert.deepEqual(checkResult(parseResponse(updateText({})), osAppId), {
    kind: "offer",
    pollSeconds: 3600,
    offer: {
      version: "3139.2.0",
      folders: ["https://updates.example.com/3139.2.0/"],
      digest,
      size: 403231231,
      mostFailures: 10,
      noBackoff: true,
    },
  });
});

test("nothing newer is no failure", () => {
  assert.deepEqual(checkResult(parseResponse(answerText('<updatecheck status="noupdate"/>')), osAppId), {
    kind: "none",
  });
});

test("a server's refusal is told in words, and one that nobody knows is not told at length", () => {
  const sentence = (status: string): string => {
    const text = answerText('<updatecheck status="error-internal"/>').replace(
      'status="ok"',
      `status="${status}"`,
    );
    const result = checkResult(parseResponse(text), osAppId);
    return result.kind === "failed" ? result.sentence : result.kind;
  };
  assert.match(sentence("error-maxUpdatesPerPeriodLimitReached"), /now: enough other machines .*\(error-max/);
  assert.equal(sentence("error-hash"), "the server gives no update now: error-hash");
  assert.equal(sentence("x".repeat(5_000)).length, 97);
});

const lacking: readonly (readonly [string, string, number])[] = [
  ["no XML", "this is no XML", errorCodes.notXml],
  ["another document", "<html/>", errorCodes.notXml],
  ["no updatecheck", answerText(""), errorCodes.badAnswer],
  ["an unknown status", answerText('<updatecheck status="error-internal"/>'), errorCodes.badAnswer],
  ["a missing status", answerText("<updatecheck/>"), errorCodes.badAnswer],
  [
    "no manifest",
    answerText('<updatecheck status="ok"><urls><url codebase="http://a/"/></urls></updatecheck>'),
    errorCodes.badAnswer,
  ],
  ["no version", updateText({}).replace(/manifest version="[^"]*"/, "manifest"), errorCodes.badAnswer],
  [
    "a version that is an option",
    updateText({}).replace(/manifest version="[^"]*"/, 'manifest version="--verify=no"'),
    errorCodes.badAnswer,
  ],
  ["no url", updateText({ urls: "" }), errorCodes.badAnswer],
  ["no package", updateText({ packages: "" }), errorCodes.badAnswer],
  ["a package without size", updateText({ packages: '<package name="a"/>' }), errorCodes.badAnswer],
  ["a package of size 0", updateText({ packages: '<package name="a" size="0"/>' }), errorCodes.badAnswer],
  ["a package without name", updateText({ packages: '<package size="5"/>' }), errorCodes.badAnswer],
  ["no action", updateText({ action: "" }), errorCodes.badAnswer],
  ["an action without hash", updateText({ action: '<action event="postinstall"/>' }), errorCodes.badAnswer],
  ["another event", updateText({ action: '<action event="install" sha256="x"/>' }), errorCodes.badAnswer],
  [
    "a hash of another length",
    updateText({ action: '<action event="postinstall" sha256="AAAA"/>' }),
    errorCodes.badAnswer,
  ],
];

for (const [name, text, code] of lacking) {
  test(`an answer with ${name} is error ${code}`, () => {
    const result = checkResult(parseResponse(text), osAppId);
    assert.equal(result.kind === "failed" ? result.code : result.kind, code);
  });
}

test("whatever an answer holds comes back from its print", () => {
  const text = fc.string({ unit: "grapheme", maxLength: 12 }).filter((each) => !/[\uFFFE\uFFFF]/.test(each));
  fc.assert(
    fc.property(text, text, fc.nat(), fc.boolean(), (name, version, size, hasBackoff) => {
      const response = {
        apps: [
          {
            appId: osAppId,
            status: "ok",
            ping: true,
            events: 2,
            updateCheck: {
              status: "ok",
              codebases: [`http://a/${name}/`],
              manifest: {
                version,
                packages: [{ name, sha256: digest, size }],
                postinstall: { sha256: base64OfHex(digest), disablePayloadBackoff: hasBackoff },
              },
            },
          },
        ],
      };
      // What XML cannot hold is replaced; everything else comes back as it was.
      const isPlain = Array.from(name + version).every(
        (character) => (character.codePointAt(0) ?? 0) >= 0x20,
      );
      if (isPlain) assert.deepEqual(parseResponse(printResponse(response)), response);
      else assert.notEqual(parseResponse(printResponse(response)), undefined);
    }),
  );
});

test("documents that could do harm are no XML to us", () => {
  const bomb = '<!DOCTYPE a [<!ENTITY b "bbbb">]><a>&b;</a>';
  const deep = "<a>".repeat(100) + "</a>".repeat(100);
  const many = `<a>${"<b/>".repeat(20_000)}</a>`;
  const other = ['<?xml version="1.0" encoding="UTF-16"?><a/>', '<?xml version="1.1"?><a b="&#27;"/>'];
  for (const text of [bomb, deep, many, ...other, "<a>", "<a></b>", "", "<a/><b/>", '<a b="1" b="2"/>']) {
    assert.equal(parseXml(text), undefined, text.slice(0, 40));
  }
  assert.notEqual(parseXml('<?xml version="1.0" encoding="utf-8"?><a/>'), undefined);
  assert.notEqual(parseXml("\uFEFF<a><!-- nothing --><b c='1'/></a>"), undefined);
});

test("requests of another protocol are none", () => {
  assert.equal(parseRequest(requestText.replace('protocol="3.0"', 'protocol="2.0"')), undefined);
  assert.equal(parseRequest(answerText("")), undefined);
});

test("prefixes of namespaces and braces around ids change nothing", () => {
  const prefixed = requestText
    .replaceAll(/<(\/?)([a-z])/g, "<$1o:$2")
    .replace("<o:request ", '<o:request xmlns:o="urn:omaha" xmlns:version="urn:x" o:version="other" ')
    .replace('machinealias=""', 'o:machinealias="" unheard="of"')
    .replace('machineid="0123"', 'machineid="{0123}"')
    .replace("<o:ping", "<o:unheard><o:of/></o:unheard><o:ping");
  assert.deepEqual(parseRequest(prefixed), request);
  const namespaced = requestText.replace("<request ", '<request xmlns="urn:omaha" ');
  assert.deepEqual(parseRequest(namespaced), request);
});

test("error codes lose their flags before they are shown", () => {
  assert.equal(plainCode(268435490), 34);
  assert.equal(wordsOf(268435490), "the server's answer lacks something");
  assert.equal(wordsOf(2000), "the server could not be asked");
  assert.equal(wordsOf(2503), "the server answered with HTTP status 503");
});

test("hashes change between base64 and hexadecimal and back", () => {
  assert.equal(hexOfBase64(base64OfHex(digest)), digest);
  assert.equal(hexOfBase64("not base64!"), undefined);
});
