import { type Context, Hono } from "hono";
import type { Clock } from "../lib/env.ts";
import { Fault, isFault } from "../lib/fault.ts";
import { compareText } from "../lib/text.ts";
import type { Revision } from "../store/store.ts";
import { answer, bodyText, done, doneWithType, refuse, refuseFault, refuseNotReady } from "./api-answers.ts";
import { discoveryDocument } from "./api-discovery.ts";
import {
  listedUnitEntity,
  machineEntity,
  machineOf,
  stateEntity,
  unitEntity,
  unitReport,
} from "./api-entities.ts";
import { restartUnit } from "./api-restart.ts";
import { type Machines, unitJournal, unitStatus } from "./api-local.ts";
import { readMetadataChanges } from "./api-metadata-rules.ts";
import { defaultPageLimit, pageOf } from "./api-paging.ts";
import { decidePut, type PutDecision } from "./api-unit-rules.ts";
import { type ChangesRequest, type Refusal, readChangesBody, readChangesQuery } from "./api-changes-rules.ts";
import { ChangeLog } from "./change-log.ts";
import type { UnitState } from "./model.ts";
import type { Registry } from "./registry.ts";

export interface FleetApiOptions {
  /** The `Server` header is `fleetd/VERSION`. */
  readonly version: string;
  /** Entries of one page of a list; the setting `token_limit`. */
  readonly tokenLimit?: number;
  readonly clock: Clock;
  /**
   * Keeps the registry's view up to date while a request is answered: resolves once the view can be read, with the
   * function that ends it. Without it the view is taken to be always there.
   */
  readonly hold?: (signal: AbortSignal) => Promise<() => void>;
  /** The machine this runs on and the way to the others, for status and journal. */
  readonly machines?: Machines;
}

/** How long a request waits for the first view of the registry. */
const holdLimitMs = 5000;
/** How long the answer to a write waits for the local view to show the write. */
const reachedLimitMs = 5000;
/** How long a request for changes stays open when there are none. */
const changesLimitMs = 30_000;
/** Tries to write a unit that others write at the same time. */
const mostPutTries = 8;

export type Handler = (request: Request) => Promise<Response>;

/**
 * The HTTP API of fleet v1.0.0 below `/fleet/v1` and `/v1-alpha`, and Argosy's additions below `/argosy/v1`.
 * @param registry undefined while the machine is not registered or is going down: every request is then answered 503
 */
export function fleetApi(registry: Registry | undefined, options: FleetApiOptions): Handler {
  if (registry === undefined) return async () => refuseNotReady();
  const app = new Hono();
  const server = { registry, options, changes: new ChangeLog(registry, options.clock) };
  app.notFound(() => refuse(404, ""));
  app.onError((error) => {
    if (isFault(error, "body-too-large")) return refuse(413, error.message);
    if (isFault(error, "machine-unreachable")) return refuse(502, error.message);
    if (error instanceof Fault) return refuseFault(error);
    throw error;
  });
  app.all("/", () => refuse(405, ""));
  for (const base of ["/fleet/v1", "/v1-alpha"]) addFleetRoutes(app, base, server);
  addArgosyRoutes(app, server);
  return async (request) => {
    const response = await whileHeld(options, request.signal, async () => await app.fetch(request));
    if (response.status !== 503) response.headers.set("Server", `fleetd/${options.version}`);
    return response;
  };
}

interface Server {
  readonly registry: Registry;
  readonly options: FleetApiOptions;
  readonly changes: ChangeLog;
}

function addFleetRoutes(app: Hono, base: string, server: Server): void {
  const { registry } = server;
  app.all(base, () => refuse(405, ""));
  app.all(`${base}/discovery`, (context) =>
    methodOf(context, "only HTTP GET supported against this resource", 400, {
      GET: () => answer(discoveryDocument),
    }),
  );
  app.all(`${base}/machines`, (context) =>
    methodOf(context, "only GET and PATCH supported against this resource", 405, {
      GET: () => listMachines(context, server),
      PATCH: async () => await patchMachines(context, server),
    }),
  );
  app.all(`${base}/units`, (context) =>
    methodOf(context, "only GET supported against this resource", 405, {
      GET: () => listUnits(context, server),
    }),
  );
  app.all(`${base}/units/:name`, (context) =>
    methodOf(context, "only GET, PUT and DELETE supported against this resource", 405, {
      GET: () => getUnit(nameIn(context), registry),
      PUT: async () => await putUnit(nameIn(context), context, server),
      DELETE: async () => await deleteUnit(nameIn(context), server, context.req.raw.signal),
    }),
  );
  app.all(`${base}/state`, (context) =>
    methodOf(context, "only GET supported against this resource", 405, {
      GET: () => listStates(context, server),
    }),
  );
  app.all(`${base}/state/:name`, (context) =>
    methodOf(context, "only GET supported against this resource", 405, {
      GET: () => getState(nameIn(context), registry),
    }),
  );
}

function addArgosyRoutes(app: Hono, server: Server): void {
  const { registry, options } = server;
  const machines = options.machines ?? { local: undefined, fetchMachine: undefined };
  const onlyGet = "only GET supported against this resource";
  app.all("/argosy/v1/changes", (context) =>
    methodOf(context, "only GET and POST supported against this resource", 405, {
      GET: async () => await changedUnits(context, readChangesQuery(urlOf(context).searchParams), server),
      POST: async () => await changedUnits(context, readChangesBody(await bodyText(context.req.raw)), server),
    }),
  );
  app.all("/argosy/v1/units/:name/restart", (context) =>
    methodOf(context, "only POST supported against this resource", 405, {
      POST: async () =>
        await restartUnit(registry, nameIn(context), async (revision) => {
          await shown(server, revision, context.req.raw.signal);
        }),
    }),
  );
  app.all("/argosy/v1/units/:name/status", (context) =>
    methodOf(context, onlyGet, 405, {
      GET: async () =>
        await unitStatus(registry.view(), nameIn(context), urlOf(context), machines, context.req.raw.signal),
    }),
  );
  app.all("/argosy/v1/units/:name/journal", (context) =>
    methodOf(context, onlyGet, 405, {
      GET: async () =>
        await unitJournal(registry.view(), nameIn(context), urlOf(context), machines, context.req.raw.signal),
    }),
  );
}

type Methods = Readonly<Record<string, () => Response | Promise<Response>>>;

async function methodOf(
  context: Context,
  refusal: string,
  status: number,
  methods: Methods,
): Promise<Response> {
  const method = Object.hasOwn(methods, context.req.method) ? methods[context.req.method] : undefined;
  return method === undefined ? refuse(status, refusal) : await method();
}

function nameIn(context: Context): string {
  return context.req.param("name") ?? "";
}

function urlOf(context: Context): URL {
  return new URL(context.req.url);
}

function listMachines(context: Context, server: Server): Response {
  const machines = Array.from(server.registry.view().machines.values());
  return pageAnswer(context, server, machines, "machines", machineEntity);
}

function listUnits(context: Context, server: Server): Response {
  const view = server.registry.view();
  const units = Array.from(view.units.values());
  return pageAnswer(context, server, units, "units", (unit) => listedUnitEntity(view, unit));
}

function listStates(context: Context, server: Server): Response {
  const query = urlOf(context).searchParams;
  const machine = query.get("machineID") ?? "";
  const unit = query.get("unitName") ?? "";
  const states: UnitState[] = [];
  for (const [name, byMachine] of server.registry.view().states) {
    if (unit !== "" && unit !== name) continue;
    for (const state of byMachine.values()) {
      if (machine === "" || machine === state.machine) states.push(state);
    }
  }
  return pageAnswer(context, server, states, "states", stateEntity);
}

function pageAnswer<Item>(
  context: Context,
  server: Server,
  items: readonly Item[],
  field: string,
  entityOf: (item: Item) => unknown,
): Response {
  const tokens = urlOf(context).searchParams.getAll("nextPageToken");
  const page = pageOf(items, tokens, server.options.tokenLimit ?? defaultPageLimit);
  if ("problem" in page) return refuse(400, page.problem);
  const { nextPageToken } = page;
  const entities = page.items.map(entityOf);
  return answer({
    ...(nextPageToken !== undefined && field > "nextPageToken" ? { nextPageToken } : {}),
    ...(entities.length === 0 ? {} : { [field]: entities }),
    ...(nextPageToken !== undefined && field < "nextPageToken" ? { nextPageToken } : {}),
  });
}

async function patchMachines(context: Context, server: Server): Promise<Response> {
  const { registry } = server;
  const changes = readMetadataChanges(await bodyText(context.req.raw));
  if ("problem" in changes) return refuse(400, changes.problem);
  if (changes.length > 0) await shown(server, await registry.setMetadata(changes), context.req.raw.signal);
  return doneWithType();
}

function getUnit(name: string, registry: Registry): Response {
  const view = registry.view();
  const unit = view.units.get(name);
  return unit === undefined ? refuse(404, "unit does not exist") : answer(unitEntity(view, unit));
}

async function putUnit(name: string, context: Context, server: Server): Promise<Response> {
  const { registry } = server;
  const request = {
    name,
    contentType: context.req.header("content-type") ?? null,
    body: await bodyText(context.req.raw),
  };
  for (let tries = 1; ; tries++) {
    const existing = registry.view().units.get(name);
    const decision = decidePut(request, existing);
    if (decision.do === "refuse") return refuse(decision.status, decision.message);
    try {
      const revision = await carryOut(decision, name, existing?.revision ?? 0, registry);
      await shown(server, revision, context.req.raw.signal);
      return done(decision.do === "target" ? 204 : 201);
    } catch (error) {
      // Somebody else wrote the unit meanwhile: decide again on what it is then.
      if (tries === mostPutTries || !isFault(error, "unit-exists", "unit-changed", "unit-missing"))
        throw error;
      await refreshed(server, context.req.raw.signal, existing?.revision ?? 0, name);
    }
  }
}

async function carryOut(
  decision: Exclude<PutDecision, { do: "refuse" }>,
  name: string,
  seen: Revision,
  registry: Registry,
): Promise<Revision> {
  if (decision.do === "target") return await registry.setTarget(name, decision.target);
  return decision.do === "create"
    ? await registry.create(decision.unit)
    : await registry.replace(decision.unit, seen);
}

async function deleteUnit(name: string, server: Server, signal: AbortSignal): Promise<Response> {
  if (!server.registry.view().units.has(name)) return refuse(404, "unit does not exist");
  await shown(server, await server.registry.destroy(name), signal);
  return done(204);
}

/** One state, the one of the machine the unit is placed on where there are several. */
function getState(name: string, registry: Registry): Response {
  const view = registry.view();
  const states = view.states.get(name);
  const placed = states?.get(machineOf(view, name) ?? "");
  const state =
    placed ?? Array.from(states?.values() ?? []).sort((a, b) => compareText(a.machine, b.machine))[0];
  if (state !== undefined) return answer(stateEntity(state));
  // The fleetctl of fleet v1.0.0 crashes on a 404 here when it waits for a unit that has no state yet.
  return view.units.has(name) ? answer({}) : refuse(404, "unit state does not exist");
}

async function changedUnits(
  context: Context,
  asked: ChangesRequest | Refusal,
  server: Server,
): Promise<Response> {
  if ("problem" in asked) return refuse(400, asked.problem);
  const { view, names } = await within(
    server.options.clock,
    changesLimitMs,
    context.req.raw.signal,
    async (limit) => await server.changes.next(asked.units, asked.after, limit),
  );
  return answer({ revision: view.revision, units: names.map((name) => unitReport(view, name)) });
}

/** Waits until the local view shows a write, so that a client can read what it wrote; not for ever. */
async function shown(server: Server, revision: Revision, signal: AbortSignal): Promise<void> {
  await within(server.options.clock, reachedLimitMs, signal, async (limit) => {
    await server.registry.reached(revision, limit).catch((error: unknown) => {
      if (!limit.aborted) throw error;
    });
  });
}

/** Waits until the view has another revision of a unit than the one a write was based on; not for ever. */
async function refreshed(server: Server, signal: AbortSignal, seen: Revision, name: string): Promise<void> {
  const { registry } = server;
  await within(server.options.clock, reachedLimitMs, signal, async (limit) => {
    const changed = Promise.withResolvers<void>();
    const check = (): void => {
      if ((registry.view().units.get(name)?.revision ?? 0) !== seen || limit.aborted) changed.resolve();
    };
    const unsubscribe = registry.subscribe(check);
    limit.addEventListener("abort", check, { once: true });
    check();
    await changed.promise.finally(unsubscribe);
  });
}

async function whileHeld(
  options: FleetApiOptions,
  signal: AbortSignal,
  work: () => Promise<Response>,
): Promise<Response> {
  const { hold, clock } = options;
  if (hold === undefined) return await work();
  let release: () => void;
  try {
    release = await within(clock, holdLimitMs, signal, hold);
  } catch {
    return refuseNotReady();
  }
  try {
    return await work();
  } finally {
    release();
  }
}

/** Why the clock of a limit ends that was not reached; made once, because every request has one. */
const isFinished = new Fault("finished", "finished in time");

/** Does something with a signal that is aborted after a time, or together with `signal`. */
async function within<Result>(
  clock: Clock,
  limitMs: number,
  signal: AbortSignal,
  work: (limit: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const limit = new AbortController();
  const finished = new AbortController();
  const abort = (): void => limit.abort(new Fault("too-late", `waited for ${limitMs / 1000} s`));
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  clock.sleep(limitMs, finished.signal).then(abort, () => {});
  try {
    return await work(limit.signal);
  } finally {
    signal.removeEventListener("abort", abort);
    finished.abort(isFinished);
  }
}
