// Functions with options, and runs that something from outside ends.

import { pause } from "./tools.mjs";

const key = "event.data.key";

export function options({ define }) {
  const stay = async ({ step, run }) => {
    await run("before");
    await step.sleep("long", "1h");
    return run("never");
  };

  const hold = async ({ event, step, run }) => {
    await run("hold", () => event.data.n);
    await step.sleep("a while", "2s");
    return event.data.n;
  };

  return [
    define("cancel-on", stay, { cancelOn: [{ event: "sdk/cancel",
      if: "async.data.key == event.data.key" }] }),

    define("delete-run", stay),

    define("timeout-finish", stay, { timeouts: { finish: "1s" } }),

    // The second run waits for the first one for longer than it may.
    define("timeout-start", async ({ event, run }) =>
      run("alone", async () => {
        await pause(3000);
        return event.data.n;
      }), { timeouts: { start: "1s" }, concurrency: 1 }),

    define("idempotency", async ({ run }) => run("only"),
      { idempotency: key }),

    define("rate-limit", async ({ run }) => run("only"),
      { rateLimit: { limit: 1, period: "1h", key } }),

    define("singleton-skip", hold, { singleton: { mode: "skip", key } }),

    define("singleton-cancel", hold, { singleton: { mode: "cancel", key } }),

    define("rerun", async ({ run }) => run("count", () => "ran")),
  ];
}
