#!/usr/bin/env node
import process from "node:process";
import { main } from "../src/cli/main.ts";
import { fleetctl } from "../src/fleetctl/main.ts";

/**
 * fleetctl alone: reading every other command with it would take as long as all that a short one does. Its output has been
 * taken when it ends, and to leave nothing behind in memory takes longer than to leave.
 */
void main(fleetctl).then(() => process.exit());
