#!/usr/bin/env node
import process from "node:process";
import { useLightWeb } from "../src/fleet/light-web.ts";

/**
 * fleet's daemon alone, for fleet.service: what a process has read it keeps, and the commands and the other daemons together are
 * twice as long. Handles that outlive the daemon's end, such as kept connections, do not keep its process.
 */
useLightWeb();
const { main } = await import("../src/daemon/fleet.ts");
process.exit(await main());
