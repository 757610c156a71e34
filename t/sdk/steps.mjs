// Steps: their order, their failures, sleeps, what runs beside each other,
// and what is large.

import fs from "node:fs";

import { note, noted, pause } from "./tools.mjs";

const raced = new Set();

export function steps({ define, lib }) {
  const { NonRetriableError, RetryAfterError } = lib;

  return [
    define("sequence", async ({ event, run }) => {
      const a = await run("a", () => event.data.x + 1);
      const b = await run("b", () =>
        ({ twice: a * 2, text: "ä\u0000\u{1f600}" }));
      const c = await run("c", () => null);
      return { a, b, c };
    }),

    define("no-steps", async ({ event }) => ({ echo: event.data })),

    define("step-retry", async ({ attempt, run }) =>
      run("flaky", () => {
        if (attempt < 2) {
          throw new Error(`flaky on attempt ${attempt}`);
        }
        return { attempt };
      }), { retries: 3 }),

    define("step-retry-resets", async ({ attempt, run }) => {
      const once = (name) => run(name, () => {
        if (attempt < 1) {
          throw new Error(`${name} fails once`);
        }
        return attempt;
      });
      return [await once("first"), await once("second")];
    }, { retries: 1 }),

    define("step-caught", async ({ run }) => {
      try {
        await run("bad", () => {
          throw new TypeError("always bad");
        });
      } catch (err) {
        const recovered = await run("recover");
        return { message: err.message, recovered };
      }
      return { message: "not thrown" };
    }, { retries: 1 }),

    define("step-uncaught", async ({ run }) => {
      await run("bad", () => {
        throw new Error("step boom");
      });
    }, { retries: 1 }),

    define("function-error", async ({ run, attempt, runId }) => {
      await run("fine");
      note({ kind: "end", run: runId, attempt });
      throw new Error("function boom");
    }, { retries: 2 }),

    define("non-retriable", async ({ run }) => {
      await run("never", () => {
        throw new NonRetriableError("not again");
      });
    }, { retries: 5 }),

    define("retry-after", async ({ run, attempt }) =>
      run("later", () => {
        if (attempt === 0) {
          throw new RetryAfterError("come back", "2s");
        }
        return attempt;
      }), { retries: 3 }),

    define("sleep", async ({ step, run }) => {
      await run("before");
      await step.sleep("nap", "1s");
      await run("after");
      return "slept";
    }),

    define("sleep-until", async ({ step, run }) => {
      const until = await run("until", () => Date.now() + 1500);
      await step.sleepUntil("nap", new Date(until));
      await run("after");
      return { until };
    }),

    define("sleep-zero", async ({ step, run }) => {
      await step.sleep("nap", 0);
      return run("after", () => "woken");
    }),

    define("unicode", async ({ event, run }) => {
      const size = await run("größe 😀", () => [...event.data.text].length);
      return { text: event.data.text, size };
    }),

    define("many-steps", async ({ run }) => {
      let sum = 0;
      for (let i = 0; i < 50; i++) {
        sum += await run(`step-${i}`, () => i);
      }
      return { sum };
    }),

    // The loser is not done before the step after the race was.
    define("race", async ({ group, run, runId }) => {
      const slow = () => run("slow", async () => {
        for (let i = 0; i < 200 && !raced.has(runId); i++) {
          await pause(50);
        }
        return "slow";
      });
      const both = () => Promise.race([slow(), run("fast")]);
      // Version 3 has no word for it: a discovery follows each step anyway.
      const winner = group?.parallel
        ? await group.parallel({ mode: "race" }, both) : await both();
      const after = await run("after", () => {
        raced.add(runId);
        return `${winner} wins`;
      });
      return { winner, after };
    }),

    define("parallel", async ({ step, run }) => {
      const [p1, p2] = await Promise.all([
        run("p1"), run("p2"), step.sleep("ps", "1s"), run("p3"),
      ]);
      const after = await run("after", () => [p1, p2]);
      const last = await run("last");
      return { after, last };
    }),

    define("parallel-chains", async ({ run }) => {
      const chain = async (name) => {
        const one = await run(`${name}-1`);
        return run(`${name}-2`, () => `${one}+`);
      };
      return Promise.all(["x", "y", "z"].map(chain));
    }),

    define("parallel-failure", async ({ run, attempt }) => {
      const results = await Promise.allSettled([
        run("good"),
        run("doomed", () => {
          throw new Error("doomed");
        }),
        run("shaky", () => {
          if (attempt === 0) {
            throw new Error("shaky");
          }
          return "steady";
        }),
      ]);
      return results.map((r) => r.value ?? r.reason.message);
    }, { retries: 1 }),

    define("send-event", async ({ step, run }) => {
      const sent = await step.sendEvent("tell", [
        { name: "sdk/sent", data: { n: 1 } },
        { name: "sdk/sent", data: { n: 2 } },
      ]);
      await run("after");
      return sent;
    }),

    define("sent", async ({ event, run }) =>
      run("got", () => event.data.n)),

    define("fails", async () => {
      throw new Error("on purpose");
    }, {
      retries: 0,
      onFailure: async (ctx) => {
        const { event, error } = ctx;
        return noted(ctx)("cleanup", () => ({
          message: error.message,
          function: event.data.function_id,
          original: event.data.event.data,
        }));
      },
    }),

    define("once", async ({ run }) => run("only")),

    // The sleep makes a second call, also of an SDK that checkpoints.
    define("large", async ({ step, run }) => {
      let total = 0;
      for (let i = 0; i < 5; i++) {
        const part = await run(`part-${i}`, () => "x".repeat(1 << 20));
        total += part.length;
      }
      await step.sleep("pause", "1s");
      return { total };
    }),

    define("large-event", async ({ event, run }) =>
      run("size", () => event.data.text.length)),

    // Waits in a step until the test creates the file that is named.
    define("gated", async ({ event, run, attempt }) => {
      await run("before");
      const step = await run("gate", async () => {
        for (let i = 0; i < 600 && !fs.existsSync(event.data.gate); i++) {
          await pause(50);
        }
        return { pid: process.pid, attempt };
      });
      await run("after");
      return step;
    }, { retries: 10 }),

    define("long-sleep", async ({ step, run }) => {
      await run("before");
      await step.sleep("nap", "4s");
      await run("after");
      return "slept";
    }),
  ];
}
