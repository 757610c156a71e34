// The app of the tests on the major version 3 of the SDK.

import { Inngest, NonRetriableError, RetryAfterError } from "inngest";
import { serve } from "inngest/node";

import { APP, functions } from "./functions.mjs";
import { listen } from "./server.mjs";

const client = new Inngest({ id: APP });

const define = (options, event, handler) =>
  client.createFunction(options, { event }, handler);

listen(serve({
  client,
  functions: functions({ define, NonRetriableError, RetryAfterError }),
}));
