// The apps of the tests on the major version 3 of the SDK.

import * as lib from "inngest";
import { serve } from "inngest/node";

import { start } from "./apps.mjs";

start({
  lib,
  serve,
  streaming: "force",
  client: (id) => new lib.Inngest({ id }),
  create: (client) => (options, event, handler) =>
    client.createFunction(options, { event }, handler),
});
