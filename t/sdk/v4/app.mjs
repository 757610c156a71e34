// The app of the tests on the major version 4 of the SDK.

import { Inngest, NonRetriableError, RetryAfterError } from "inngest";
import { serve } from "inngest/node";

import { APP, functions, note } from "./functions.mjs";
import { listen } from "./server.mjs";

const client = new Inngest({ id: APP });

const define = (options, event, handler) =>
  client.createFunction({ ...options, triggers: [{ event }] }, handler);

// group.parallel exists from version 4 on.
const race = define({ id: "race" }, "sdk/race",
  async ({ step, group, runId }) => {
    const lap = (name, ms) =>
      step.run(name, async () => {
        note({ kind: "step", run: runId, step: name });
        await new Promise((done) => setTimeout(done, ms));
        return name;
      });

    const winner = await group.parallel({ mode: "race" }, () =>
      Promise.race([lap("slow", 1500), lap("fast", 10)]));

    const after = await step.run("after", () => {
      note({ kind: "step", run: runId, step: "after" });
      return `${winner} wins`;
    });

    return { winner, after };
  });

listen(serve({
  client,
  functions: [
    ...functions({ define, NonRetriableError, RetryAfterError }),
    race,
  ],
}));
