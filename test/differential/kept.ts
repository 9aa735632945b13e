/**
 * What is not the same as in etcd 3.4, as `docs/keys.md` calls it in its section about differences; where the comparison
 * or the generator makes room for one, it says which.
 */
export const keptDifferences = {
  expiry: "Expiry comes at its moment",
  order: "Lists are in the order of their keys",
  cluster: "Members tell of themselves",
  instants: "Times have milliseconds",
  longTarget: "Long first lines are taken",
  lastRequest: "Some requests are the last of their connection",
  bytes: "Names that are no UTF-8",
  length: "Answers tell their length",
  /** No sequence goes so deep. */
  depth: "Very deep keys",
  /** Sequences ask a server without users. */
  passwords: "Passwords",
} as const;
