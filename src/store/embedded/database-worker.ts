import { parentPort, workerData } from "node:worker_threads";
import { assert } from "../../lib/assert.ts";
import { sentenceOf } from "../../lib/fault.ts";
import { Database } from "./database.ts";
import { faultOfFile } from "./faults.ts";
import { columnsOf, unpackRows, type FromWorker, type ToWorker, type WorkerOptions } from "./messages.ts";

/** The thread that writes an embedded store's file; its own bundle. It answers every message, in order. */

/**
 * A log above this size is copied into the file, between two groups. Most of the time that takes are flushes, whatever the size, so a
 * smaller log makes writes wait more often and hardly shorter; a larger one would take longer to read after a crash.
 */
const mostLogBytes = 4 * 1024 * 1024;

const { folder, newNames } = workerData as WorkerOptions;
assert(parentPort !== null, "this runs as a worker");
const port = parentPort;
const answer = (message: FromWorker): void => port.postMessage(message);

let database: Database | undefined;
try {
  database = new Database(folder, newNames);
  const facts = database.load((entries) => answer({ kind: "entries", columns: columnsOf(entries) }));
  // Nothing of what a crash left in the log stays there.
  tidy(database);
  port.on("message", serve);
  answer({ kind: "opened", facts });
} catch (error) {
  database?.close();
  answer({ kind: "failed", fault: faultOfFile("open", folder, error) });
}

function serve(message: ToWorker): void {
  assert(database !== undefined, "an open store is served");
  if (message.kind === "close") {
    port.off("message", serve);
    close(database);
    return;
  }
  try {
    database.write(unpackRows(message.rows));
    answer({ kind: "written" });
  } catch (error) {
    answer({ kind: "failed", fault: faultOfFile("write to", folder, error) });
    return;
  }
  if (database.logBytes > mostLogBytes) tidy(database);
}

/** What fails here has lost nothing: the log still holds it. */
function tidy(open: Database): void {
  try {
    open.checkpoint();
  } catch (error) {
    answer({
      kind: "warning",
      sentence: `cannot empty the log of the store in ${folder}: ${sentenceOf(error)}`,
    });
  }
}

function close(open: Database): void {
  try {
    open.close();
  } catch (error) {
    answer({ kind: "warning", sentence: `cannot close the store in ${folder}: ${sentenceOf(error)}` });
  }
  answer({ kind: "closed" });
}
