import { type Context, Hono } from "hono";
import type { Clock } from "../lib/env.ts";
import { Fault, isFault } from "../lib/fault.ts";
import type { Revision } from "../store/store.ts";
import {
  answer,
  answerText,
  bodyText,
  done,
  doneWithType,
  refuse,
  refuseFault,
  refuseNotReady,
  withWarnings,
} from "./api-answers.ts";
import { discoveryText } from "./api-discovery.ts";
import { callerOf } from "./api-caller.ts";
import type { Handler } from "./api-exchange.ts";
import { type ApiMetrics, counted, isForMetrics, metricsAnswer } from "./api-counts.ts";
import { unitEntity, unitReport } from "./api-entities.ts";
import { EventsEndpoint } from "./api-events.ts";
import { getState, type Listing, listMachines, listStates, listUnits } from "./api-lists.ts";
import { changeMachine, getReport, listReports } from "./api-machines.ts";
import { restartUnit } from "./api-restart.ts";
import { type Machines, unitJournal, unitStatus } from "./api-local.ts";
import { answerToOddPath } from "./api-paths.ts";
import { readMetadataChanges } from "./api-metadata-rules.ts";
import { defaultPageLimit, pageLimitFor, pageLimitHeader } from "./api-paging.ts";
import { openApiDocument } from "./openapi.ts";
import { decidePut, type PutDecision } from "./api-unit-rules.ts";
import { type ChangesRequest, type Refusal, readChangesBody, readChangesQuery } from "./api-changes-rules.ts";
import { whyUnit } from "./api-why.ts";
import { refreshed, shown, whileHeld, within } from "./api-waits.ts";
import { splitName } from "../unit/name.ts";
import { ChangeLog } from "./change-log.ts";
import type { EventFeed } from "./event-feed.ts";
import type { Caller } from "./events.ts";
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
  /** The history of the cluster; without it there is no `/argosy/v1/events`. */
  readonly events?: EventFeed;
  /** What the daemon counts; without it there is no `/metrics`. */
  readonly metrics?: ApiMetrics;
  /** The machine this runs on and the way to the others, for status and journal. */
  readonly machines?: Machines;
}

/** How long a request for changes stays open when there are none. */
const changesLimitMs = 30_000;
/** Tries to write a unit that others write at the same time. */
const mostPutTries = 8;

/**
 * The HTTP API of fleet v1.0.0 below `/fleet/v1` and `/v1-alpha`, and Argosy's additions below `/argosy/v1`.
 * @param registry undefined while the machine is not registered or is going down: every request is then answered 503
 */
export function fleetApi(registry: Registry | undefined, options: FleetApiOptions): Handler {
  if (registry === undefined) return async () => refuseNotReady();
  const app = new Hono<Api>();
  const { clock, tokenLimit = defaultPageLimit } = options;
  const server = { registry, options, clock, tokenLimit, changes: new ChangeLog(registry, clock) };
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
  const { metrics } = options;
  if (metrics !== undefined)
    app.all("/metrics", (context) =>
      methodOf(context, "only GET supported against this resource", 405, {
        GET: () => metricsAnswer(metrics, registry.view()),
      }),
    );
  const answered: Handler = async (request, remote) => {
    const response = await whileHeld(
      options.hold,
      options.clock,
      request.signal,
      async () => answerToOddPath(request.url) ?? (await app.fetch(request, { remote })),
      () => (metrics !== undefined && isForMetrics(request) ? metricsAnswer(metrics) : refuseNotReady()),
    );
    if (response.status !== 503) response.headers.set("Server", `fleetd/${options.version}`);
    return response;
  };
  if (metrics === undefined) return answered;
  return async (request, remote) =>
    await counted(metrics, request, async () => await answered(request, remote));
}

/** What Hono knows of a request besides what it says. */
interface Api {
  readonly Bindings: { readonly remote: string | undefined };
}

interface Server {
  readonly registry: Registry;
  readonly options: FleetApiOptions;
  readonly clock: Clock;
  readonly tokenLimit: number;
  readonly changes: ChangeLog;
}

function addFleetRoutes(app: Hono<Api>, base: string, server: Server): void {
  const { registry } = server;
  app.all(base, () => refuse(405, ""));
  app.all(`${base}/discovery`, (context) =>
    methodOf(context, "only HTTP GET supported against this resource", 400, {
      GET: () => answerText(discoveryText, "application/json"),
    }),
  );
  app.all(`${base}/machines`, (context) =>
    methodOf(context, "only GET and PATCH supported against this resource", 405, {
      GET: () => listMachines(urlOf(context), listingFor(context, server)),
      PATCH: async () => await patchMachines(context, server),
    }),
  );
  app.all(`${base}/units`, (context) =>
    methodOf(context, "only GET supported against this resource", 405, {
      GET: () => listUnits(urlOf(context), listingFor(context, server)),
    }),
  );
  app.all(`${base}/units/:name`, (context) =>
    methodOf(context, "only GET, PUT and DELETE supported against this resource", 405, {
      GET: () => getUnit(nameIn(context), registry),
      PUT: async () => await putUnit(nameIn(context), context, server),
      DELETE: async () => await deleteUnit(nameIn(context), context, server),
    }),
  );
  app.all(`${base}/state`, (context) =>
    methodOf(context, "only GET supported against this resource", 405, {
      GET: () => listStates(urlOf(context), listingFor(context, server)),
    }),
  );
  app.all(`${base}/state/:name`, (context) =>
    methodOf(context, "only GET supported against this resource", 405, {
      GET: () => getState(nameIn(context), registry),
    }),
  );
}

/** What lists are made from for one request. */
function listingFor(context: Context<Api>, { registry, tokenLimit }: Server): Listing {
  return { registry, tokenLimit: pageLimitFor(context.req.header(pageLimitHeader), tokenLimit) };
}

function addArgosyRoutes(app: Hono<Api>, server: Server): void {
  const { registry, options, clock } = server;
  const machines = options.machines ?? { local: undefined, fetchMachine: undefined };
  const onlyGet = "only GET supported against this resource";
  app.all("/argosy/v1/changes", (context) =>
    methodOf(context, "only GET and POST supported against this resource", 405, {
      GET: async () => await changedUnits(context, readChangesQuery(urlOf(context).searchParams), server),
      POST: async () => await changedUnits(context, readChangesBody(await bodyText(context.req.raw)), server),
    }),
  );
  app.all("/argosy/v1/openapi.json", (context) =>
    methodOf(context, onlyGet, 405, { GET: () => answer(openApiDocument(options.version)) }),
  );
  const events = options.events === undefined ? undefined : new EventsEndpoint(options.events, clock);
  app.all("/argosy/v1/events", (context) =>
    methodOf(context, onlyGet, 405, {
      GET: async () =>
        (await events?.get(
          urlOf(context),
          context.req.header("last-event-id") ?? null,
          context.req.raw.signal,
        )) ?? refuse(404, ""),
    }),
  );
  app.all("/argosy/v1/machines", (context) =>
    methodOf(context, onlyGet, 405, { GET: () => listReports(server) }),
  );
  app.all("/argosy/v1/machines/:name", (context) =>
    methodOf(context, onlyGet, 405, {
      GET: async () => await getReport(server, nameIn(context), urlOf(context), context.req.raw.signal),
    }),
  );
  app.all("/argosy/v1/machines/:name/:verb", (context) =>
    methodOf(context, "only POST supported against this resource", 405, {
      POST: async () => {
        const asked = { id: nameIn(context), verb: context.req.param("verb"), by: callerIn(context) };
        return await changeMachine(server, asked, context.req.raw);
      },
    }),
  );
  app.all("/argosy/v1/units/:name/restart", (context) =>
    methodOf(context, "only POST supported against this resource", 405, {
      POST: async () =>
        await restartUnit(registry, nameIn(context), callerIn(context), async (revision) => {
          await shown(server, revision, context.req.raw.signal);
        }),
    }),
  );
  app.all("/argosy/v1/units/:name/why", (context) =>
    methodOf(context, onlyGet, 405, {
      GET: async () =>
        await whyUnit(
          { view: registry.view(), machines, feed: options.events, clock },
          nameIn(context),
          context.req.raw.signal,
        ),
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
        await unitJournal(
          registry.view(),
          nameIn(context),
          urlOf(context),
          machines,
          clock.now(),
          context.req.raw.signal,
        ),
    }),
  );
}

type Methods = Readonly<Record<string, () => Response | Promise<Response>>>;

async function methodOf(
  context: Context<Api>,
  refusal: string,
  status: number,
  methods: Methods,
): Promise<Response> {
  const method = Object.hasOwn(methods, context.req.method) ? methods[context.req.method] : undefined;
  return method === undefined ? refuse(status, refusal) : await method();
}

function nameIn(context: Context<Api>): string {
  return context.req.param("name") ?? "";
}

function callerIn(context: Context<Api>): Caller {
  return callerOf(context.req.raw.headers, context.env.remote);
}

function urlOf(context: Context<Api>): URL {
  return new URL(context.req.url);
}

async function patchMachines(context: Context<Api>, server: Server): Promise<Response> {
  const { registry } = server;
  const changes = readMetadataChanges(await bodyText(context.req.raw));
  if ("problem" in changes) return refuse(400, changes.problem);
  const { signal } = context.req.raw;
  if (changes.length > 0)
    await shown(server, await registry.setMetadata(changes, callerIn(context), signal), signal);
  return doneWithType();
}

function getUnit(name: string, registry: Registry): Response {
  const view = registry.view();
  const unit = view.units.get(name);
  return unit === undefined ? refuse(404, "unit does not exist") : answer(unitEntity(view, unit));
}

async function putUnit(name: string, context: Context<Api>, server: Server): Promise<Response> {
  const { registry } = server;
  const request = {
    name,
    contentType: context.req.header("content-type") ?? null,
    body: await bodyText(context.req.raw),
  };
  for (let tries = 1; ; tries++) {
    const { units } = registry.view();
    const existing = units.get(name);
    const template = units.get(splitName(name)?.template ?? "");
    const decision = decidePut(request, { unit: existing, template });
    if (decision.do === "refuse") return refuse(decision.status, decision.message);
    try {
      const revision = await carryOut(decision, name, existing?.revision ?? 0, registry, callerIn(context));
      await shown(server, revision, context.req.raw.signal);
      return decision.do === "target" ? done(204) : withWarnings(done(201), decision.warnings);
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
  by: Caller,
): Promise<Revision> {
  if (decision.do === "target") return await registry.setTarget(name, decision.target, by);
  return decision.do === "create"
    ? await registry.create(decision.unit, by)
    : await registry.replace(decision.unit, seen, by);
}

async function deleteUnit(name: string, context: Context<Api>, server: Server): Promise<Response> {
  if (!server.registry.view().units.has(name)) return refuse(404, "unit does not exist");
  const revision = await server.registry.destroy(name, callerIn(context));
  await shown(server, revision, context.req.raw.signal);
  return done(204);
}

async function changedUnits(
  context: Context<Api>,
  asked: ChangesRequest | Refusal,
  server: Server,
): Promise<Response> {
  if ("problem" in asked) return refuse(400, asked.problem);
  const { view, names } = await within(
    server.clock,
    changesLimitMs,
    context.req.raw.signal,
    async (limit) => await server.changes.next(asked.units, asked.after, limit),
  );
  return answer({ revision: view.revision, units: names.map((name) => unitReport(view, name)) });
}
