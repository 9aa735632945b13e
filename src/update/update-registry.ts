import type { Env } from "../lib/env.ts";
import { Fault } from "../lib/fault.ts";
import { exactly, under } from "../store/range.ts";
import type { Compare, KeyRange, Operation, Store } from "../store/store.ts";
import { type Answered, answerApp, type AskedWhen } from "./answer.ts";
import { mostMachines, type Registered, roomAmong } from "./machine-register.ts";
import type { OmahaAnswer, OmahaApp } from "./omaha.ts";
import { pardoned } from "./rollout.ts";
import {
  type Channel,
  type Grants,
  type Group,
  isName,
  type MachineRecord,
  noGrants,
  recordOf,
  type Release,
  type UpdateHalt,
  updateKeys,
} from "./server-records.ts";

/** The place of a machine that has one. */
const ownPlace: Place = { when: [], then: [] };
/** How often a change is planned again when somebody else was quicker. */
const mostTries = 20;
/** How often a new machine tries to get its place before the next one has its turn; only other servers are in its way. */
const mostTriesInTurn = 5;
/** Records of a kind that are listed. */
const mostListed = 100_000;

interface Seen<Value> {
  readonly value: Value | undefined;
  readonly modRevision: number;
}

/** What can be forgotten. */
export type RecordKind = "release" | "channel" | "group" | "machine";

/** What a new machine's place in the register costs: the number of machines afterwards, and who makes room. */
interface Place {
  readonly when: readonly Compare[];
  readonly then: readonly Operation[];
}

/**
 * What the update server knows, in the store. All methods throw the store's Faults, and Fault `update-contended` when others
 * were quicker too often.
 */
export class UpdateRegistry {
  readonly #env: Env;
  readonly #store: Store;
  readonly #mostMachines: number;
  /** Nobody has to make room for a new machine before this, in ms since 1970. */
  #fullUntilMs = 0;
  /** Ends when the new machine before has its place: a thousand that boot together would only be in each other's way. */
  #lastTurn: Promise<unknown> = Promise.resolve();

  /** @param most machines that are kept */
  constructor(env: Env, store: Store, most: number = mostMachines) {
    this.#env = env;
    this.#store = store;
    this.#mostMachines = most;
  }

  /** Answers one app of a request, and writes what follows, unless what it was decided upon has changed meanwhile. */
  async answer(app: OmahaApp, when: Omit<AskedWhen, "nowMs">): Promise<OmahaAnswer> {
    return await this.#again("answer a machine", async () => {
      const groupName = isName(app.track) ? app.track : "-";
      const id = isName(app.machineId) ? app.machineId : "-";
      const [halt, group, grants, machine] = await Promise.all([
        this.#read<UpdateHalt>(updateKeys.halt),
        this.#read<Group>(updateKeys.group(groupName)),
        this.#read<Grants>(updateKeys.grants(groupName)),
        this.#read<MachineRecord>(updateKeys.machine(id)),
      ]);
      const channel = (await this.#read<Channel>(updateKeys.channel(group.value?.channel ?? "-"))).value;
      const releases = channel === undefined ? new Map<string, Release>() : await this.#releasesOf(channel);
      const finish = async (place: Place | undefined): Promise<OmahaAnswer | undefined> => {
        const picture = {
          halt: halt.value,
          group: group.value,
          channel,
          grants: grants.value ?? noGrants,
          machine: machine.value,
          isFull: place === undefined,
          releases,
        };
        const answered = answerApp(app, picture, { ...when, nowMs: this.#env.clock.now() });
        const unchanged: Compare[] = [
          { key: updateKeys.halt, modRevision: halt.modRevision },
          { key: updateKeys.group(groupName), modRevision: group.modRevision },
          { key: updateKeys.grants(groupName), modRevision: grants.modRevision },
          { key: updateKeys.machine(id), modRevision: machine.modRevision },
        ];
        const then = operationsOf(answered, groupName, id);
        if (then.length === 0 || place === undefined) return answered.answer;
        const { committed } = await this.#store.commit({
          when: [...unchanged, ...place.when],
          then: [...then, ...place.then],
        });
        return committed ? answered.answer : undefined;
      };
      const isNew = machine.modRevision === 0 && group.value !== undefined && id !== "-";
      if (!isNew) return await finish(ownPlace);
      return await this.#inTurn(async () => {
        for (let tries = 0; tries < mostTriesInTurn; tries++) {
          const answer = await finish(await this.#placeForOne());
          if (answer !== undefined) return answer;
        }
        return undefined;
      });
    });
  }

  async halted(): Promise<UpdateHalt | undefined> {
    return (await this.#read<UpdateHalt>(updateKeys.halt)).value;
  }

  /** Stops all updates, or lets them go on. */
  async setHalt(reason: string | undefined): Promise<void> {
    const halt: UpdateHalt = { reason: reason ?? "", sinceMs: this.#env.clock.now() };
    const operation: Operation =
      reason === undefined
        ? { do: "delete", range: exactly(updateKeys.halt) }
        : { do: "put", key: updateKeys.halt, value: JSON.stringify(halt) };
    await this.#store.commit({ when: [], then: [operation] });
  }

  async groups(): Promise<readonly Group[]> {
    return await this.#list<Group>(under(updateKeys.groups));
  }

  async channels(): Promise<readonly Channel[]> {
    return await this.#list<Channel>(under(updateKeys.channels));
  }

  async channel(name: string): Promise<Channel | undefined> {
    return (await this.#read<Channel>(updateKeys.channel(name))).value;
  }

  async release(version: string): Promise<Release | undefined> {
    return (await this.#read<Release>(updateKeys.release(version))).value;
  }

  async releases(): Promise<readonly Release[]> {
    return await this.#list<Release>(under(updateKeys.releases));
  }

  async machines(): Promise<readonly MachineRecord[]> {
    return await this.#list<MachineRecord>(under(updateKeys.machines));
  }

  async grants(group: string): Promise<Grants> {
    return (await this.#read<Grants>(updateKeys.grants(group))).value ?? noGrants;
  }

  /** Changes a group, or makes it. @param change gets undefined when there is none */
  async changeGroup(name: string, change: (before: Group | undefined) => Group): Promise<Group> {
    return await this.#change(updateKeys.group(name), change);
  }

  /** Has a group go on that was paused, or paused itself. */
  async resumeGroup(group: Group): Promise<void> {
    const nowMs = this.#env.clock.now();
    await this.#change<Grants>(updateKeys.grants(group.name), (before) =>
      pardoned(before ?? noGrants, group, nowMs),
    );
  }

  async changeChannel(name: string, change: (before: Channel | undefined) => Channel): Promise<Channel> {
    return await this.#change(updateKeys.channel(name), change);
  }

  async putRelease(release: Release): Promise<void> {
    const value = JSON.stringify(release);
    await this.#store.commit({
      when: [],
      then: [{ do: "put", key: updateKeys.release(release.version), value }],
    });
  }

  async has(kind: RecordKind, name: string): Promise<boolean> {
    return (await this.#read(updateKeys[kind](name))).value !== undefined;
  }

  /** Forgets a release, a channel, a group with its grants, or a machine. False when there was none. */
  async remove(kind: RecordKind, name: string): Promise<boolean> {
    if (!(await this.has(kind, name))) return false;
    const key = updateKeys[kind](name);
    const also = {
      release: [],
      channel: [],
      group: [updateKeys.grants(name)],
      // Whoever registers next counts them anew.
      machine: [updateKeys.machineCount],
    };
    const keys = [key, ...also[kind]];
    await this.#store.commit({
      when: [],
      then: keys.map((each) => ({ do: "delete", range: exactly(each) })),
    });
    return true;
  }

  async #change<Kind extends object>(key: string, change: (before: Kind | undefined) => Kind): Promise<Kind> {
    return await this.#again(`change ${key}`, async () => {
      const { value, modRevision } = await this.#read<Kind>(key);
      const next = change(value);
      const { committed } = await this.#store.commit({
        when: [{ key, modRevision }],
        then: [{ do: "put", key, value: JSON.stringify(next) }],
      });
      return committed ? next : undefined;
    });
  }

  /** Looks and changes until nobody was quicker. */
  async #again<Result>(deed: string, attempt: () => Promise<Result | undefined>): Promise<Result> {
    for (let tries = 0; tries < mostTries; tries++) {
      const result = await attempt();
      if (result !== undefined) return result;
    }
    throw new Fault("update-contended", `cannot ${deed}: others were quicker ${mostTries} times; try again`);
  }

  async #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const turn = this.#lastTurn.then(work);
    // Whoever waits for the turn hears of its failure; the next one only needs to know that it is over.
    this.#lastTurn = turn.catch(() => undefined);
    return await turn;
  }

  /** A place for one more machine; undefined when the register is full of machines that were heard of within a day. */
  async #placeForOne(): Promise<Place | undefined> {
    const { value, modRevision } = await this.#read<{ readonly machines: number }>(updateKeys.machineCount);
    const placeAfter = (machines: number, forget: readonly Registered[]): Place => ({
      when: [
        { key: updateKeys.machineCount, modRevision },
        ...forget.map((each) => ({ key: each.key, modRevision: each.modRevision })),
      ],
      then: [
        { do: "put", key: updateKeys.machineCount, value: JSON.stringify({ machines }) },
        ...forget.map((each): Operation => ({ do: "delete", range: exactly(each.key) })),
      ],
    });
    if (value !== undefined && value.machines < this.#mostMachines) return placeAfter(value.machines + 1, []);
    const nowMs = this.#env.clock.now();
    if (value !== undefined && nowMs < this.#fullUntilMs) return undefined;
    const { entries } = await this.#store.read(under(updateKeys.machines), { limit: mostListed });
    const registered = entries.map(({ key, modRevision: changed, value: text }): Registered => {
      const record: Partial<MachineRecord> | undefined = recordOf(text);
      return { key, modRevision: changed, seenMs: record?.seenMs ?? 0 };
    });
    const room = roomAmong(registered, this.#mostMachines, nowMs);
    if ("forget" in room) {
      if (room.forget.length > 0)
        this.#env.log.info(
          `forgot ${room.forget.length} machines that were not heard of for a day: the register holds ${this.#mostMachines}`,
        );
      return placeAfter(registered.length - room.forget.length + 1, room.forget);
    }
    this.#fullUntilMs = room.noneUntilMs;
    this.#env.log.warning(
      `new machines are refused: ${registered.length} were heard of within a day, and the register holds ${this.#mostMachines}; argosy update-server machines shows them, and --forget ID drops one`,
    );
    return undefined;
  }

  async #releasesOf({ version, floors }: Channel): Promise<ReadonlyMap<string, Release>> {
    const found = new Map<string, Release>();
    for (const each of new Set([version, ...floors])) {
      const { value } = await this.#read<Release>(updateKeys.release(each));
      if (value !== undefined) found.set(each, value);
    }
    return found;
  }

  async #read<Kind extends object>(key: string): Promise<Seen<Kind>> {
    const { entries } = await this.#store.read(exactly(key));
    const [entry] = entries;
    return { value: recordOf(entry?.value) as Kind | undefined, modRevision: entry?.modRevision ?? 0 };
  }

  async #list<Kind extends object>(range: KeyRange): Promise<readonly Kind[]> {
    const { entries } = await this.#store.read(range, { limit: mostListed });
    return entries.flatMap(({ value }) => (recordOf(value) as Kind | undefined) ?? []);
  }
}

function operationsOf(
  { machine, grants, group }: Answered,
  groupName: string,
  id: string,
): readonly Operation[] {
  const put = (key: string, value: object | undefined): readonly Operation[] =>
    value === undefined ? [] : [{ do: "put", key, value: JSON.stringify(value) }];
  return [
    ...put(updateKeys.machine(id), machine),
    ...put(updateKeys.grants(groupName), grants),
    ...put(updateKeys.group(groupName), group),
  ];
}
