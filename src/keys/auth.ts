import { json, message, readObject, type PlainAnswer, type PlainRequest } from "./plain-answer.ts";

/** The one role there always is: it may read and write everything. */
const rootRole = { role: "root", permissions: { kv: { read: ["/*"], write: ["/*"] } } };

/** Keeping users would suggest that they protect something. */
const notKept = message(
  501,
  "argosy: users and roles are not kept, since there is no authentication: whoever reaches this address may read and write",
);

const badJson = message(400, "Invalid JSON in request body.");

/** Which methods a path below `/v2/auth` takes; undefined when there is nothing at it (etcd v2 API, "Auth API"). */
export function authMethods(below: string): readonly string[] | undefined {
  if (below === "enable") return ["GET", "PUT", "DELETE"];
  if (/^(?:users|roles)\/?$/.test(below)) return ["GET"];
  return /^(?:users|roles)\//.test(below) ? ["GET", "PUT", "DELETE"] : undefined;
}

/** The answers of an etcd that has no users, no roles but root's, and authentication switched off, which it stays. */
export function answerAuth(request: PlainRequest): PlainAnswer {
  const [kind, name = "", ...more] = request.below.split("/");
  if (more.length > 0) return message(400, "Invalid path");
  if (kind === "enable") return answerEnable(request.method);
  if (kind === "users") return name === "" ? json(200, { users: null }) : answerUser(request, name);
  return name === "" ? json(200, { roles: [rootRole] }) : answerRole(request, name);
}

function answerEnable(method: string): PlainAnswer {
  if (method === "GET") return json(200, { enabled: false });
  if (method === "DELETE") return message(409, "auth: already disabled");
  return message(409, "auth: No root user available, please create one");
}

function answerUser({ method, body }: PlainRequest, name: string): PlainAnswer {
  if (method === "GET") return message(404, `auth: User ${name} does not exist.`);
  if (method === "DELETE") return message(404, `auth: User ${name} does not exist`);
  const user = readObject(body);
  if (user === undefined) return badJson;
  const named = user.get("user") ?? "";
  if (named !== "" && named !== name)
    return message(400, "User JSON name does not match the name in the URL");
  if (changes(user)) {
    if (isFilled(user.get("roles"))) return message(400, "User JSON contains both roles and grant/revoke");
    return message(404, `auth: User ${name} does not exist.`);
  }
  const password = user.get("password") ?? "";
  return password === "" ? message(400, `auth: Cannot create user ${name} with an empty password`) : notKept;
}

function answerRole({ method, body }: PlainRequest, name: string): PlainAnswer {
  const rootStays = message(403, "auth: Cannot modify role root: is root role.");
  if (method === "GET") {
    return name === "root" ? json(200, rootRole) : message(404, `auth: Role ${name} does not exist.`);
  }
  if (method === "DELETE") {
    return name === "root" ? rootStays : message(404, `auth: Role ${name} doesn't exist.`);
  }
  const role = readObject(body);
  if (role === undefined) return badJson;
  if (role.get("role") !== name) return message(400, "Role JSON name does not match the name in the URL");
  if (name === "root") return rootStays;
  return changes(role) ? message(404, `auth: Role ${name} does not exist.`) : notKept;
}

/** Whether a body grants or revokes something of what is there, instead of making it. */
function changes(body: ReadonlyMap<string, unknown>): boolean {
  return isFilled(body.get("grant")) || isFilled(body.get("revoke"));
}

function isFilled(value: unknown): boolean {
  return Array.isArray(value) ? value.length > 0 : value !== undefined && value !== null;
}
