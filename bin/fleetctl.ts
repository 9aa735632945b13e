#!/usr/bin/env node
import { main } from "../src/cli/main.ts";
import { fleetctl } from "../src/fleetctl/main.ts";

/** fleetctl alone: reading every other command with it would take as long as all that a short one does. */
void main(fleetctl);
