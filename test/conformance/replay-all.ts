import type { IndexMode } from "./indices.ts";
import { replay } from "./replay.ts";
import type { Transcript } from "./transcript.ts";

/** What became of one transcript: a line for each step that went differently. */
export interface Replayed {
  readonly name: string;
  readonly differences: readonly string[];
}

/**
 * Replays transcripts, each server with one at a time, and yields them as they are done. Most of their time they wait, so
 * several servers take them side by side; but two at one server would move each other's indices.
 */
export async function replayAll(
  transcripts: readonly Transcript[],
  origins: readonly string[],
  mode: IndexMode,
  tell: (replayed: Replayed) => void,
): Promise<void> {
  const left = transcripts.entries();
  const run = Date.now().toString(36);
  const work = async (origin: string): Promise<void> => {
    for (const [at, transcript] of left) {
      const name = `t${run}x${at.toString(36)}`;
      tell({ name: transcript.name, differences: await replay(transcript, origin, { mode, name }) });
    }
  };
  await Promise.all(origins.map(work));
}
