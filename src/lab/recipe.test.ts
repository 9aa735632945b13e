import assert from "node:assert/strict";
import { test } from "node:test";
import { debianArchive, recipe } from "./recipe.ts";

const main = {
  uri: "http://mirror.example/debian/",
  origin: "Debian",
  release: "bookworm",
  component: "main",
};

test("the archive is the host's own for the main release, not its updates or its security archive", () => {
  const sources = [
    { ...main, uri: "http://mirror.example/vendor/", origin: "Vendor", release: "stable" },
    { ...main, uri: "http://mirror.example/debian-security/", release: "bookworm-security" },
    { ...main, uri: "http://mirror.example/updates/", release: "bookworm-updates" },
    main,
  ];
  assert.equal(debianArchive(sources), main.uri);
});

test("before apt's first update the shape of the address decides", () => {
  const unknown = { ...main, origin: "" };
  assert.equal(debianArchive([{ ...unknown, uri: "http://mirror.example/other/" }, unknown]), main.uri);
  assert.equal(debianArchive([{ ...unknown, uri: "http://mirror.example/other/" }]), undefined);
});

test("nothing is both disabled and masked, and nothing is named twice", () => {
  const units = [...recipe.disabled, ...recipe.masked];
  assert.equal(new Set(units).size, units.length);
  assert.equal(new Set(recipe.packages).size, recipe.packages.length);
});
