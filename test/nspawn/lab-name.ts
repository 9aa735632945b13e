/**
 * The name of a test's lab. Two runs of the same file on one machine would tear each other's labs down:
 * ARGOSY_TEST_LABS, a few lower-case letters that differ between them, keeps them apart. They stand within the
 * name, after its first dash, so that neither name is a part of the other.
 */
export function testLab(name: string): string {
  const apart = process.env["ARGOSY_TEST_LABS"] ?? "";
  return apart === "" ? name : name.replace("-", `-${apart}-`);
}
