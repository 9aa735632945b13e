#!/usr/bin/env node
import process from "node:process";
import { main } from "../src/daemon/locksmith.ts";

/** locksmithd alone, for locksmithd.service: it mostly waits, and what a process has read it keeps. */
process.exit(await main());
