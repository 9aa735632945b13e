#!/usr/bin/env node
import process from "node:process";
import { main } from "../src/daemon/fleet.ts";

/**
 * fleet's daemon alone, for fleet.service: what a process has read it keeps, and the commands and the other daemons together are
 * twice as long. Handles that outlive the daemon's end, such as kept connections, do not keep its process.
 */
process.exit(await main());
