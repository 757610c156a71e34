// Functions whose calls are limited: at a time, whole runs, at a pace, and by
// who goes first.

import { note, pause } from "./tools.mjs";

const key = "event.data.key";

export function limits({ define }) {

  // A run of two calls with a sleep between them.
  const whole = async ({ event, step, run, runId }) => {
    const edge = (name, edge) => run(name, () => {
      note({ kind: "busy", name: "limit-runs", run: runId, edge });
      return edge;
    });
    await edge("before", 1);
    await step.sleep("a while", "1s");
    return edge("after", -1);
  };

  // One call of a moment, which says when it began and when it ended.
  const busy = (name) => async ({ event, runId }) => {
    const { n, key } = event.data;
    note({ kind: "busy", name, run: runId, key, n, edge: 1 });
    await pause(300);
    note({ kind: "busy", name, run: runId, key, n, edge: -1 });
    return n;
  };

  const limited = (id, options) => define(id, busy(id), options);

  return [
    limited("limit", { concurrency: 2 }),

    limited("limit-key", { concurrency: { limit: 1, key } }),

    limited("limit-two", { concurrency: [{ limit: 1, key }, { limit: 2 }] }),

    limited("limit-env-a", { concurrency: { limit: 1, key: "'shared'",
      scope: "env" } }),

    limited("limit-env-b", { concurrency: { limit: 1, key: "'shared'",
      scope: "env" } }),

    limited("limit-account", { concurrency: { limit: 1, key,
      scope: "account" } }),

    define("limit-sleep", async ({ event, step, run }) => {
      await run("before", () => event.data.n);
      await step.sleep("a while", "1s");
      return run("after", () => event.data.n);
    }, { concurrency: 1 }),

    define("limit-runs", whole, { concurrency: { fn: [{ limit: 1 }] } }),

    limited("throttle", { throttle: { limit: 1, period: "1s", burst: 1 } }),

    limited("throttle-key", { throttle: { limit: 1, period: "2s", key } }),

    limited("priority", { concurrency: 1,
      priority: { run: "event.data.key == 'first' ? 120 : 0" } }),
  ];
}
