import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { listedMachines } from "../../src/lab/cluster.ts";
import { type Lab, labDown, labUp } from "../../src/lab/lab.ts";
import type { Product } from "../../src/lab/product-layer.ts";
import { builtProduct } from "../../src/lab/product.ts";
import { testLab } from "./lab-name.ts";

// A lab with the product in it.

const name = testLab("test-cluster");
let product: Product;
let lab: Lab;

function progress(line: string): void {
  process.stderr.write(`${line}\n`);
}

before(async () => {
  await labDown(name);
  product = await builtProduct(progress);
  lab = await labUp({ name, machines: 3, metadata: ["rack=test"], product, progress });
});

after(async () => {
  await labDown(name);
});

test("every machine lists all machines once, by id", async () => {
  const ids = lab.machines.map((machine) => machine.id).toSorted();
  for (const machine of lab.machines) {
    assert.deepEqual([...(await listedMachines(machine))].toSorted(), ids, machine.name);
  }
});

test("no unit of any machine failed", async () => {
  for (const machine of lab.machines) {
    const failed = await machine.exec(["systemctl", "--failed", "--plain", "--no-legend"]);
    assert.equal(failed.stdout, "", machine.name);
  }
});

test("a machine that joins later is listed everywhere and holds no part of the store", async () => {
  const grown = await labUp({ name, machines: 4, product, progress });
  for (const machine of grown.machines) {
    assert((await listedMachines(machine)).has(grown.machine("m4").id), machine.name);
  }
  const etcd = await grown.machine("m4").exec(["systemctl", "is-active", "etcd-member.service"]);
  assert.equal(etcd.stdout, "inactive\n");
});

test("machines that all lost power are the same cluster again", async () => {
  const all = lab.machines.map((machine) => machine.name);
  for (const each of all) await lab.kill(each);
  const again = await labUp({ name, product, progress });
  assert.deepEqual(
    again.machines.slice(0, all.length).map((machine) => machine.id),
    lab.machines.map((machine) => machine.id),
  );
  const ids = again.machines.map((machine) => machine.id).toSorted();
  for (const machine of again.machines) {
    assert.deepEqual([...(await listedMachines(machine))].toSorted(), ids, machine.name);
  }
});
