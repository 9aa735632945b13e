import assert from "node:assert/strict";
import { test } from "node:test";
import { cluster, hello, obedient, one } from "./cluster-fixture.ts";

const other = "[Service]\nExecStart=/bin/sleep 102\n";
const global = `${hello}[X-Fleet]\nGlobal=true\n`;

type Files = Readonly<Record<string, string>>;

interface Row {
  readonly what: string;
  /** Carried out before, with these files; what it prints plays no part. */
  readonly before?: readonly (readonly [line: string, files?: Files])[];
  /** Whether engine and agent carry out what is wanted; else nothing happens. */
  readonly obedient?: boolean;
  readonly line: string;
  readonly files?: Files;
  readonly code?: number;
  readonly out?: string;
  readonly err?: string;
  /** Texts in the registry afterwards, of all units. */
  readonly texts?: Files;
}

/** What fleetctl v1.0.0 prints, to the byte, or what Argosy settled where fleetctl v1.0.0 was at fault. */
const rows: readonly Row[] = [
  {
    what: "submit of a folder's file names the unit by its last part",
    line: "fleetctl submit ./units/a.service units/b",
    files: { "./units/a.service": hello, "units/b.service": hello },
    out: "Unit a.service inactive\nUnit b.service inactive\n",
    texts: { "a.service": hello, "b.service": hello },
  },
  {
    what: "submit of a unit that the registry has says nothing without a file",
    before: [["fleetctl submit a", { "a.service": hello }]],
    line: "fleetctl submit a",
  },
  {
    what: "submit of a unit whose file is the same says nothing",
    before: [["fleetctl submit a", { "a.service": hello }]],
    line: "fleetctl submit a",
    files: { "a.service": `# only a comment more\n${hello}` },
  },
  {
    what: "submit warns of a file that differs, with the path as it was typed",
    before: [["fleetctl submit a", { "a.service": hello }]],
    line: "fleetctl submit ./units/a",
    files: { "./units/a.service": other },
    err: "WARNING: Unit a.service in registry differs from local unit file ./units/a.service. Add --replace to override.\n",
    texts: { "a.service": hello },
  },
  {
    what: "an instance is compared with its local template",
    before: [["fleetctl submit a@1", { "a@.service": hello }]],
    line: "fleetctl submit units/a@1",
    files: { "units/a@.service": other },
    err: "WARNING: Unit a@1.service in registry differs from local template unit file units/a@.service. Add --replace to override.\n",
    texts: { "a@1.service": hello },
  },
  {
    what: "an instance's own file comes before its template in the registry",
    before: [["fleetctl submit a@", { "a@.service": hello }]],
    line: "fleetctl submit a@1",
    files: { "a@1.service": other },
    out: "Unit a@1.service inactive\n",
    texts: { "a@.service": hello, "a@1.service": other },
  },
  {
    what: "the template in the registry comes before the local one",
    before: [["fleetctl submit a@", { "a@.service": hello }]],
    line: "fleetctl submit a@1",
    files: { "a@.service": other },
    out: "Unit a@1.service inactive\n",
    err: "WARNING: Unit a@.service in registry differs from local template unit file a@.service. The registry's is used; to bring the file into effect first: fleetctl submit --replace a@.service\n",
    texts: { "a@1.service": hello, "a@.service": hello },
  },
  {
    what: "a local file that is no unit differs from the registry's, and does not keep it from starting",
    obedient: true,
    before: [["fleetctl submit a", { "a.service": hello }]],
    line: "fleetctl start a",
    files: { "a.service": "[Service\n" },
    out: "Unit a.service launched on 11111111.../10.0.0.1\n",
    err: "WARNING: Unit a.service in registry differs from local unit file a.service. Add --replace to override.\n",
  },
  {
    what: "--replace with a file that is no unit changes nothing",
    before: [["fleetctl submit a", { "a.service": hello }]],
    line: "fleetctl submit --replace a",
    files: { "a.service": "[Service\n" },
    code: 1,
    err: "Error creating units: failed getting Unit(a.service) from file: unable to find end of section (line 1)\n",
    texts: { "a.service": hello },
  },
  {
    what: "--replace with an empty file changes nothing",
    before: [["fleetctl submit a", { "a.service": hello }]],
    line: "fleetctl submit --replace a",
    files: { "a.service": "# nothing\n" },
    code: 1,
    err: "Error creating units: failed creating unit a.service: options field empty: there is not one option in its file\n",
    texts: { "a.service": hello },
  },
  {
    what: "an empty file among others is found before any is written",
    line: "fleetctl submit a b",
    files: { "a.service": hello, "b.service": "" },
    code: 1,
    err: "Error creating units: failed creating unit b.service: options field empty: there is not one option in its file\n",
    texts: {},
  },
  {
    what: "the drop-ins of an instance make no difference between its template and the registry's",
    before: [["fleetctl submit a@", { "a@.service": hello, "a@.service.d/x.conf": "[Unit]\nAfter=b\n" }]],
    line: "fleetctl submit a@1",
    files: {
      "a@.service": hello,
      "a@.service.d/x.conf": "[Unit]\nAfter=b\n",
      "a@1.service.d/y.conf": "[Unit]\nAfter=c\n",
    },
    out: "Unit a@1.service inactive\n",
  },
  {
    what: "stop of global and plain units tells the success of those that it waited for",
    obedient: true,
    before: [["fleetctl start a g", { "a.service": hello, "g.service": global }]],
    line: "fleetctl stop g a",
    out: "Triggered global unit g.service stop\nUnit a.service loaded on 11111111.../10.0.0.1\n",
    err: "Successfully stopped units [a.service].\n",
  },
  {
    what: "an attempt less than none waits for as long as it takes",
    obedient: true,
    line: "fleetctl start --block-attempts=-1 a",
    files: { "a.service": hello },
    out: "Unit a.service inactive\nUnit a.service launched on 11111111.../10.0.0.1\n",
  },
  {
    what: "a dry run of a template's start fails as the start would",
    before: [["fleetctl submit a@", { "a@.service": hello }]],
    line: "fleetctl start --dry-run a@",
    code: 1,
    err: 'Error starting units: cannot activate template "a@.service"\n',
  },
  {
    what: "a local template beside the argument serves an instance",
    line: "fleetctl submit units/a@1",
    files: { "units/a@.service": other },
    out: "Unit a@1.service inactive\n",
    texts: { "a@1.service": other },
  },
  {
    what: "a template submitted by the same command serves its instances, from any folder",
    line: "fleetctl submit units/a@.service a@1 a@2",
    files: { "units/a@.service": hello },
    out: "Unit a@.service inactive\nUnit a@1.service inactive\nUnit a@2.service inactive\n",
    texts: { "a@.service": hello, "a@1.service": hello, "a@2.service": hello },
  },
  {
    what: "a unit named twice is created once",
    line: "fleetctl submit a a.service",
    files: { "a.service": hello },
    out: "Unit a.service inactive\n",
  },
  {
    what: "a name with systemd's escapes",
    line: "fleetctl submit a\\x2db.service",
    files: { "a\\x2db.service": hello },
    out: "Unit a\\x2db.service inactive\n",
    texts: { "a\\x2db.service": hello },
  },
  {
    what: "a unit that is nowhere",
    line: "fleetctl load units/a",
    code: 1,
    err: "Error creating units: unable to find Unit(a.service) in Registry or on filesystem\n",
  },
  {
    what: "an instance whose template is nowhere",
    line: "fleetctl start units/a@1",
    code: 1,
    err:
      "Error creating units: failed getting Unit(units/a@1.service) from template: " +
      "unable to find template Unit(a@.service) in Registry or on filesystem\n",
  },
  {
    what: "a file that cannot be read as a unit",
    line: "fleetctl start units/a",
    files: { "units/a.service": "[Service]\nExecStart\n" },
    code: 1,
    err:
      "Error creating units: failed getting Unit(units/a.service) from file: " +
      "unexpected newline encountered while parsing option name (line 2)\n",
  },
  {
    what: "messages come in the order of the arguments",
    before: [
      ["fleetctl submit a b c", { "a.service": hello, "b.service": hello, "c.service": hello }],
      ["fleetctl load --no-block b"],
    ],
    line: "fleetctl submit --replace c b a",
    files: { "a.service": other, "b.service": other, "c.service": hello },
    out: "Found same Unit(c.service) in Registry, nothing to do\nUnit a.service inactive\n",
    err: "Warning: can not replace Unit(b.service) in state 'loaded', use the appropriate command\n",
    texts: { "a.service": other, "b.service": hello, "c.service": hello },
  },
  {
    what: "load --replace of a launched unit warns, and goes on with the old text",
    obedient: true,
    before: [["fleetctl start a", { "a.service": hello }]],
    line: "fleetctl load --replace a",
    files: { "a.service": other },
    out: "Unit a.service loaded on 11111111.../10.0.0.1\n",
    err: "Warning: can not replace Unit(a.service) in state 'launched', use the appropriate command\n",
    texts: { "a.service": hello },
  },
  {
    what: "load --replace of a loaded unit",
    obedient: true,
    before: [["fleetctl load a", { "a.service": hello }]],
    line: "fleetctl load --replace a",
    files: { "a.service": other },
    out: "Unit a.service inactive\nUnit a.service loaded on 11111111.../10.0.0.1\n",
    texts: { "a.service": other },
  },
  {
    what: "start --replace of a launched unit",
    obedient: true,
    before: [["fleetctl start a", { "a.service": hello }]],
    line: "fleetctl start --replace a",
    files: { "a.service": other },
    out: "Unit a.service inactive\nUnit a.service launched on 11111111.../10.0.0.1\n",
    texts: { "a.service": other },
  },
  {
    what: "start --replace with the same text",
    obedient: true,
    before: [["fleetctl start a", { "a.service": hello }]],
    line: "fleetctl start --replace a",
    files: { "a.service": hello },
    out: "Found same Unit(a.service) in Registry, nothing to do\n",
  },
  {
    what: "--replace without a file",
    before: [["fleetctl submit a", { "a.service": hello }]],
    line: "fleetctl start --replace units/a",
    code: 1,
    err: "Error creating units: error Unit units/a.service does not seem to be a template unit\n",
  },
  {
    what: "--replace of an instance without a file or a template",
    before: [["fleetctl submit a@1", { "a@1.service": hello }]],
    line: "fleetctl submit --replace units/a@1",
    code: 1,
    err: "Error creating units: stat units/a@.service: no such file or directory\n",
  },
  {
    what: "--replace of an instance from its template",
    before: [["fleetctl submit a@1", { "a@1.service": hello }]],
    line: "fleetctl submit --replace a@1",
    files: { "a@.service": other },
    out: "Unit a@1.service inactive\n",
    texts: { "a@1.service": other },
  },
  {
    what: "--sign is taken",
    line: "fleetctl submit --sign a",
    files: { "a.service": hello },
    out: "Unit a.service inactive\n",
  },
  {
    what: "load of a global unit is triggered",
    line: "fleetctl load g",
    files: { "g.service": global },
    out: "Unit g.service \nTriggered global unit g.service load\n",
  },
  {
    what: "load --no-block",
    line: "fleetctl load --no-block a",
    files: { "a.service": hello },
    out: "Unit a.service inactive\nTriggered unit a.service load\n",
  },
  {
    what: "load of a launched unit stops it",
    obedient: true,
    before: [["fleetctl start a", { "a.service": hello }]],
    line: "fleetctl load a",
    out: "Unit a.service loaded on 11111111.../10.0.0.1\n",
  },
  {
    what: "load of a loaded unit is silent",
    obedient: true,
    before: [["fleetctl load a", { "a.service": hello }]],
    line: "fleetctl load a",
  },
  {
    what: "load waits as many attempts as it is told",
    line: "fleetctl load --block-attempts=1 a",
    files: { "a.service": hello },
    code: 1,
    out: "Unit a.service inactive\n",
    err:
      "Error waiting for units: timed out waiting for unit a.service to report state loaded\n" +
      "Error waiting for unit states, exit status: timed out waiting for unit a.service to report state loaded\n",
  },
  {
    what: "load of a template",
    line: "fleetctl load a@.service",
    files: { "a@.service": hello },
    code: 1,
    out: "Unit a@.service inactive\n",
    err: 'Error loading units: googleapi: Error 400: cannot activate template "a@.service"\n',
  },
  {
    what: "start of a submitted unit",
    obedient: true,
    before: [["fleetctl submit a", { "a.service": hello }]],
    line: "fleetctl start a",
    out: "Unit a.service launched on 11111111.../10.0.0.1\n",
  },
  {
    what: "stop of several units, one of which is not there",
    obedient: true,
    before: [["fleetctl start a b", { "a.service": hello, "b.service": hello }]],
    line: "fleetctl stop a nope b",
    out: "Unit a.service loaded on 11111111.../10.0.0.1\nUnit b.service loaded on 11111111.../10.0.0.1\n",
    err: "Successfully stopped units [a.service b.service].\n",
  },
  {
    what: "stop of a loaded unit skips it",
    obedient: true,
    before: [["fleetctl load a", { "a.service": hello }]],
    line: "fleetctl stop a",
    err: "Successfully stopped units [].\n",
  },
  {
    what: "stop of a unit that waits for a machine",
    before: [["fleetctl start --no-block a", { "a.service": hello }]],
    line: "fleetctl stop a",
    code: 1,
    err: "Unable to stop unit a.service in state inactive\n",
  },
  {
    what: "stop of a global unit",
    before: [["fleetctl start g", { "g.service": global }]],
    line: "fleetctl stop g",
    out: "Triggered global unit g.service stop\n",
    err: "Successfully stopped units [].\n",
  },
  {
    what: "stop --no-block",
    obedient: true,
    before: [["fleetctl start a", { "a.service": hello }]],
    line: "fleetctl stop --no-block a",
    out: "Triggered unit a.service stop\n",
    err: "Successfully stopped units [a.service].\n",
  },
  {
    what: "unload of an inactive unit skips it",
    before: [["fleetctl submit a", { "a.service": hello }]],
    line: "fleetctl unload a",
    err: "Successfully unloaded units [].\n",
  },
  {
    what: "unload of a global unit",
    before: [["fleetctl start g", { "g.service": global }]],
    line: "fleetctl unload g",
    out: "Triggered global unit g.service unload\n",
    err: "Successfully unloaded units [].\n",
  },
  {
    what: "unload --no-block",
    obedient: true,
    before: [["fleetctl start a", { "a.service": hello }]],
    line: "fleetctl unload --no-block a",
    out: "Triggered unit a.service unload\n",
    err: "Successfully unloaded units [a.service].\n",
  },
  {
    what: "unload waits as many attempts as it is told",
    obedient: true,
    before: [["fleetctl start a", { "a.service": hello }]],
    line: "fleetctl unload --block-attempts=1 a",
    code: 1,
    err: "Failed to unload units [a.service]. err: timed out waiting for unit a.service to report state inactive\n",
  },
  {
    what: "destroy of several units, one of which is not there",
    before: [["fleetctl submit a b", { "a.service": hello, "b.service": hello }]],
    line: "fleetctl destroy a nope b.service",
    out: "Destroyed a.service\nDestroyed b.service\n",
  },
  {
    what: "destroy --no-block of a running unit",
    before: [["fleetctl start --no-block a", { "a.service": hello }]],
    line: "fleetctl destroy --no-block a",
    out: "Destroyed a.service\n",
  },
  { what: "cat without a unit", line: "fleetctl cat", code: 1, err: "One unit file must be provided\n" },
  { what: "cat of two units", line: "fleetctl cat a b", code: 1, err: "One unit file must be provided\n" },
  { what: "cat of no unit", line: "fleetctl cat dir/a", code: 1, err: "Unit a.service not found\n" },
  {
    what: "cat keeps continuations",
    before: [
      ["fleetctl submit a", { "a.service": "[Service]\n# gone\nExecStart = /bin/a \\\n   b\n[Install]\n" }],
    ],
    line: "fleetctl cat a",
    out: "[Service]\nExecStart=/bin/a \\\n   b\n",
  },
  { what: "status without a unit", line: "fleetctl status" },
  {
    what: "status ends at the first unit that does not run, with its code",
    obedient: true,
    before: [["fleetctl start down a", { "down.service": hello, "a.service": hello }]],
    line: "fleetctl status down a",
    code: 3,
    out: "* down.service\n   Loaded: loaded\n",
  },
  {
    what: "status of a unit without a machine",
    before: [["fleetctl submit a", { "a.service": hello }]],
    line: "fleetctl status a",
    code: 1,
    err: "Unit a.service does not appear to be loaded.\n",
  },
  {
    what: "journal of two units",
    line: "fleetctl journal a b",
    code: 1,
    err: "One unit file must be provided.\n",
  },
  {
    what: "journal of no unit",
    line: "fleetctl journal a",
    code: 1,
    err: "Unit a.service does not exist.\n",
  },
  {
    what: "journal of a unit without a machine",
    before: [["fleetctl submit a", { "a.service": hello }]],
    line: "fleetctl journal --ssh-port=2222 a",
    code: 1,
    err: "Unit a.service does not appear to be running.\n",
  },
  {
    what: "journal's flags of fleetctl v1.0.0",
    obedient: true,
    before: [["fleetctl start a", { "a.service": hello }]],
    line: "fleetctl journal --lines 7 --f=false --output=cat --sudo a",
    out: "a.service 7 cat\n",
  },
  { what: "no units", line: "fleetctl list-units", out: "UNIT\tMACHINE\tACTIVE\tSUB\n" },
  { what: "no units and no legend", line: "fleetctl list-units --no-legend" },
  { what: "no unit files", line: "fleetctl list-unit-files", out: "UNIT\tHASH\tDSTATE\tSTATE\tTARGET\n" },
  {
    what: "every column of list-units",
    obedient: true,
    before: [["fleetctl start a", { "a.service": hello }]],
    line: "fleetctl list-units --fields=active,hash,load,machine,sub,unit",
    out:
      "ACTIVE\tHASH\tLOAD\tMACHINE\t\t\tSUB\tUNIT\n" +
      "active\t3adfef7\tloaded\t11111111.../10.0.0.1\trunning\ta.service\n",
  },
  {
    what: "list-units --full",
    obedient: true,
    before: [["fleetctl start a", { "a.service": hello }]],
    line: "fleetctl list-units --full --no-legend --fields machine,hash",
    out: `${one}/10.0.0.1\t3adfef73186060afe14c40321f37c0e224085695\n`,
  },
  {
    what: "every column of list-unit-files, in the order of names",
    obedient: true,
    before: [
      ["fleetctl start b", { "b.service": `[Unit]\nDescription=Says b\n${hello}` }],
      ["fleetctl start a", { "a.service": global }],
    ],
    line: "fleetctl list-unit-files --no-legend --fields=desc,dstate,global,state,target,tmachine,unit",
    out:
      "-\tlaunched\ttrue\t-\t\tglobal\t\t\tglobal\t\t\ta.service\n" +
      "Says b\tlaunched\tfalse\tlaunched\t11111111.../10.0.0.1\t11111111.../10.0.0.1\tb.service\n",
    err: 'WARNING: The "tmachine" field is deprecated. Use "target" instead\n',
  },
  {
    what: "a column twice",
    line: "fleetctl list-machines --fields=ip,ip --no-legend",
    out: "10.0.0.1\t10.0.0.1\n10.0.0.2\t10.0.0.2\n10.0.0.3\t10.0.0.3\n",
  },
  {
    what: "a column that is none",
    line: "fleetctl list-machines --fields=machine,foo",
    code: 1,
    err: 'Invalid key in output format: "foo"\n',
  },
  {
    what: "no column",
    line: "fleetctl list-machines --fields=",
    code: 1,
    err: "Must define output format\n",
  },
];

for (const row of rows) {
  test(row.what, async () => {
    const { registry, run } = cluster();
    if (row.obedient === true) obedient(registry, one);
    for (const [line, files] of row.before ?? []) await run(line, files);
    const { code = 0, out = "", err = "" } = row;
    assert.deepEqual(await run(row.line, row.files), { code, out, err });
    const names = Array.from(registry.view().units.keys());
    if (row.texts !== undefined) assert.deepEqual(names.toSorted(), Object.keys(row.texts).toSorted());
    for (const [name, text] of Object.entries(row.texts ?? {})) {
      assert.equal(registry.view().units.get(name)?.text, text, name);
    }
  });
}
