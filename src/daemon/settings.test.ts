import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isFault } from "../lib/fault.ts";
import {
  absolutePath,
  addresses,
  duration,
  list,
  pairs,
  seconds,
  text,
  truth,
  whole,
} from "./setting-kinds.ts";
import { parseSettingsFile, readSettings } from "./settings.ts";

const table = {
  publicIp: text({ key: "public_ip", environment: "FLEET_PUBLIC_IP", default: "" }),
  agentTtlMs: duration({ key: "agent_ttl", environment: "FLEET_AGENT_TTL", default: "10s" }),
  tokenLimit: whole({ key: "token_limit", environment: "FLEET_TOKEN_LIMIT", default: "100" }, 1, 65535),
};

const fileOf = (contents: string) => ({ path: "/etc/fleet/fleet.conf", text: contents });

test("the environment beats the file, the file beats the default", () => {
  const file = fileOf('public_ip="10.0.0.1"\nagent_ttl=5s\n');
  const { settings, problems } = readSettings(
    table,
    { FLEET_PUBLIC_IP: "10.0.0.2", FLEET_AGENT_TTL: "" },
    file,
  );
  assert.deepEqual(settings, { publicIp: "10.0.0.2", agentTtlMs: 5000, tokenLimit: 100 });
  assert.deepEqual(problems, []);
});

test("the file's forms: quotes, comments, continuation, keys in any case, the last of a repeated key", () => {
  const { values, problems } = parseSettingsFile(
    fileOf(
      [
        "# a comment",
        "; another",
        "",
        'Double = "a # b; c" # behind',
        "single='d\"e'",
        "bare = f g # cut",
        "semicolon=h;i",
        "empty=",
        'long="a,\\',
        '  b"',
        "blanks = a \\ \t",
        "\tb",
        "bare=last",
      ].join("\r\n"),
    ),
  );
  assert.deepEqual(
    Object.fromEntries([...values].map(([key, { value, line }]) => [key, `${line} ${value}`])),
    {
      double: "4 a # b; c",
      single: '5 d"e',
      bare: "13 last",
      semicolon: "7 h",
      empty: "8 ",
      long: "9 a,b",
      blanks: "11 a b",
    },
  );
  assert.deepEqual(problems, []);
});

test("a key or a variable that is set to nothing is not set", () => {
  const { settings, problems } = readSettings(
    table,
    { FLEET_PUBLIC_IP: "" },
    fileOf("agent_ttl=\"\"\ntoken_limit=\npublic_ip='' # found\n"),
  );
  assert.deepEqual(settings, { publicIp: "", agentTtlMs: 10_000, tokenLimit: 100 });
  assert.deepEqual(problems, []);
});

test("lines that are no setting, and settings that do not exist, are one problem each with their line", () => {
  const { settings, problems } = readSettings(
    table,
    {},
    fileOf('[section]\npublic_ip="open\nagent_tll="5s"\ntoken_limit=7\n'),
  );
  assert.equal(settings.tokenLimit, 7);
  assert.deepEqual(problems, [
    '/etc/fleet/fleet.conf:1: "[section]" is not a line of the form key="value"',
    '/etc/fleet/fleet.conf:2: "public_ip="open" is not a line of the form key="value"',
    "/etc/fleet/fleet.conf:3: there is no setting agent_tll",
  ]);
});

test("a value that does not parse names itself, its place and what it must be", () => {
  assert.throws(
    () => readSettings(table, {}, fileOf("\nagent_ttl=soon\n")),
    (error) =>
      isFault(error, "wrong-setting") &&
      error.message ===
        '/etc/fleet/fleet.conf:2: agent_ttl is "soon", but must be a length of time with its unit, such as 10s or 1m30s',
  );
  assert.throws(
    () => readSettings(table, { FLEET_TOKEN_LIMIT: "0" }),
    (error) =>
      isFault(error, "wrong-setting") &&
      error.message ===
        'environment variable FLEET_TOKEN_LIMIT is "0", but must be a whole number from 1 to 65535',
  );
});

test("every kind of setting reads what it promises and refuses the rest", () => {
  const place = { environment: "X", default: "" };
  const cases: [(value: string) => unknown, Record<string, unknown>, string[]][] = [
    [
      duration(place).parse,
      { "30s": 30_000, "1m30s": 90_000, "1.5h": 5_400_000, ".5s": 500 },
      ["", "30", "0s", "-1s", "1 s", "s"],
    ],
    [
      seconds(place).parse,
      { "0": 0, "2": 2000, "0.5": 500, "+.5": 500, "3e+07": 3e10 },
      ["", ".", "-1", "1s"],
    ],
    [absolutePath(place).parse, { "/run/fleet/units/": "/run/fleet/units/" }, ["", "units", "~/units"]],
    [whole(place, 0, 9).parse, { "0": 0, "9": 9 }, ["", "10", "1.0", "x"]],
    [truth(place).parse, { true: true, F: false, "1": true }, ["yes", ""]],
    [list(place).parse, { "": [], "a, b": ["a", "b"], '["a", "b"]': ["a", "b"] }, []],
    [addresses(place).parse, { "http://h:1,https://i": ["http://h:1", "https://i"] }, ["", "h:1", "ftp://h"]],
    [pairs(place).parse, { " a = b=c ,d,e=1,e=2": { a: "b=c", e: "2" }, "": {} }, []],
  ];
  for (const [parse, good, bad] of cases) {
    for (const [value, expected] of Object.entries(good)) assert.deepEqual(parse(value), expected, value);
    for (const value of bad) assert.throws(() => parse(value), RangeError, value);
  }
});

test("any text in double quotes comes back as it was, and no file makes the parser throw", () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[^"\\\r\n]*$/), (value) => {
      const { values } = parseSettingsFile(fileOf(`key="${value}"`));
      assert.equal(values.get("key")?.value, value);
    }),
  );
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (contents) => void parseSettingsFile(fileOf(contents))),
  );
});
