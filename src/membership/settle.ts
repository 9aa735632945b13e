import { pauseMs, type Backoff } from "../lib/backoff.ts";
import type { Env } from "../lib/env.ts";
import { sentenceOf } from "../lib/fault.ts";
import {
  type BootstrapSettings,
  decide,
  decideByNames,
  decideByToken,
  type Decision,
  type Names,
  type Token,
} from "./bootstrap.ts";
import { type EtcdVariables, localEndpoint, memberName } from "./environment.ts";
import type { MemberMachine, RoleRecord } from "./machine.ts";

/** Where a machine that is alone serves its store to its own daemons, and to clients of etcd's v3 API. */
export const embeddedEndpoint = "http://127.0.0.1:2379";

/** How soon those who could tell more are asked again while they do not answer. */
const askAgain: Backoff = { firstMs: 500, mostMs: 30_000 };

/** Those who can tell a new machine about its cluster. */
export interface Informants {
  readToken(url: string, signal: AbortSignal): Promise<Token>;
  /** Resolves when more has registered below a token than `token` tells, or after a while. */
  untilTokenChanges(token: Token, signal: AbortSignal): Promise<void>;
  readNames(domain: string, signal: AbortSignal): Promise<Names>;
  /** Where members serve clients, by any of them. Throws when none answers. */
  clientsOf(peers: readonly string[], signal: AbortSignal): Promise<readonly string[]>;
}

/**
 * What this machine is: as it remembers, or, at its first start and after its settings were changed, as `decide` says.
 * Takes as long as those who are asked take to answer; rejects only with the signal's reason or the machine's Faults.
 */
export async function settleRole(
  env: Env,
  machine: MemberMachine,
  informants: Informants,
  signal: AbortSignal,
): Promise<RoleRecord> {
  const told = toldBy(machine);
  const before = await machine.remembered();
  if (before?.told === told) return before;
  // An etcd with data goes on as it began; what the administrator has set since then wins.
  const kept = before?.role === "member" ? keptVariables(before.variables, machine.given) : {};
  for (let failures = 0; ; ) {
    try {
      const role = await decided(env, machine, informants, kept, signal);
      const record = {
        ...role,
        told,
        given: machine.original,
        ...(machine.tls === undefined ? {} : { tls: machine.tls }),
      };
      await machine.remember(record);
      return record;
    } catch (error) {
      signal.throwIfAborted();
      failures++;
      env.log.warning(`cannot find the cluster yet: ${sentenceOf(error)}`);
      await env.clock.sleep(pauseMs(askAgain, failures, env.random()), signal);
    }
  }
}

async function decided(
  env: Env,
  machine: MemberMachine,
  informants: Informants,
  kept: EtcdVariables,
  signal: AbortSignal,
): Promise<Omit<RoleRecord, "told">> {
  let variables = kept;
  for (;;) {
    const { decision, token } = await askedDecision(machine, informants, signal);
    if (decision.is === "embedded") {
      env.log.info(`this machine keeps the store alone: ${decision.why}`);
      return { role: "embedded", endpoints: [embeddedEndpoint], variables: {} };
    }
    if (decision.is === "proxy") {
      const known = decision.endpoints.length > 0 ? decision.endpoints : undefined;
      const endpoints = known ?? (await informants.clientsOf(decision.peers, signal));
      await machine.stopEtcd();
      env.log.info(`this machine uses the members, and is none: ${decision.why}`);
      return { role: "proxy", endpoints, variables: {} };
    }
    variables = { ...variables, ...decision.variables };
    env.log.info(`this machine's etcd is a member: ${decision.why}`);
    await machine.startEtcd(variables);
    if (decision.sure || token === undefined) {
      const own = localEndpoint({ ...machine.given, ...variables });
      const others = machine.storeEndpoints.filter((endpoint) => endpoint !== own);
      return { role: "member", endpoints: [own, ...others], variables };
    }
    await informants.untilTokenChanges(token, signal);
  }
}

type Sure = Exclude<Decision, { is: "ask-token" } | { is: "ask-names" }>;

async function askedDecision(
  machine: MemberMachine,
  informants: Informants,
  signal: AbortSignal,
): Promise<{ readonly decision: Sure; readonly token?: Token }> {
  const { given, storeEndpoints, address } = machine;
  const settings: BootstrapSettings = {
    given,
    storeEndpoints,
    own: { name: memberName(machine.name, machine.id), address },
    hostname: machine.name,
    hasData: await machine.hasData(),
  };
  const decision = decide(settings);
  if (decision.is === "ask-token") {
    const token = await informants.readToken(decision.url, signal);
    return { decision: sure(decideByToken(settings, token)), token };
  }
  if (decision.is === "ask-names")
    return { decision: sure(decideByNames(settings, await informants.readNames(decision.domain, signal))) };
  return { decision };
}

function sure(decision: Decision): Sure {
  if (decision.is !== "ask-token" && decision.is !== "ask-names") return decision;
  throw new Error("what was asked leads to no further question");
}

/** The settings that a decision follows from, as one text to compare. */
function toldBy({ given, storeEndpoints }: MemberMachine): string {
  return JSON.stringify([
    Object.entries(given)
      .map(([name, value]) => `${name}=${value}`)
      .sort(),
    storeEndpoints,
  ]);
}

/** Without those that the administrator sets himself by now; how an etcd with data found its cluster stays. */
function keptVariables(variables: EtcdVariables, given: EtcdVariables): EtcdVariables {
  const kept = Object.entries(variables).filter(
    ([name]) => given[name] === undefined || /^ETCD_(INITIAL|DISCOVERY|PROXY|FORCE)/.test(name),
  );
  return Object.fromEntries(kept);
}
