// The functions under test, the same text for both majors of the SDK.  What
// differs between them is in `sdk`: define(options, event, handler) and the
// error classes.  note() writes down what really ran.

import fs from "node:fs";

export const APP = "sdk";

const log = process.env.SDK_LOG;

export function note(record) {
  fs.appendFileSync(log, JSON.stringify({ ts: Date.now(), ...record }) + "\n");
}

export function functions(sdk) {
  const { NonRetriableError, RetryAfterError } = sdk;

  // A step whose every execution is noted, before it does its work.
  const tools = ({ step, runId, attempt }) => ({
    run: (name, work = () => name) =>
      step.run(name, async () => {
        note({ kind: "step", run: runId, step: name, attempt });
        return work();
      }),
  });

  // sdk.define with the noted run() beside the context.
  const define = (id, handler, options = {}) =>
    sdk.define({ id, ...options }, `sdk/${id}`, (ctx) =>
      handler({ ...ctx, ...tools(ctx) }));

  const supported = [
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
        return tools(ctx).run("cleanup", () => ({
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
          await new Promise((done) => setTimeout(done, 50));
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

    define("fetch", async ({ event, step, run }) => {
      const [good, missing] = await Promise.all([
        step.fetch(`${event.data.target}/plain`),
        step.fetch(`${event.data.target}/plain/not`, { method: "PUT" }),
      ]);
      const text = await run("text", () => good.text());
      const error = await step.fetch("http://127.0.0.1:9/nothing")
        .catch((err) => err.message);
      return { text, status: missing.status, error };
    }, { retries: 0 }),

    define("infer", async ({ event, step }) => {
      const ask = (id, path) => step.ai.infer(id, {
        model: step.ai.models.openai({
          model: "m", apiKey: "k", baseUrl: event.data.target + path,
        }),
        body: { messages: [{ role: "user", content: "hi" }] },
      });
      const error = await ask("wrong", "/ai-wrong/v1/")
        .catch((err) => err.message);
      const { choices } = await ask("right", "/ai/v1/");
      return { answer: choices[0].message.content, error };
    }, { retries: 0 }),
  ];

  // Each stops at a step that the server does not know yet.
  const unsupported = [
    define("op-wait", ({ step }) =>
      step.waitForEvent("w", { event: "sdk/never", timeout: "1h" })),
    define("op-invoke", ({ step }) =>
      step.invoke("i", { function: supported[0], data: { x: 1 } })),
    define("op-signal", ({ step }) =>
      step.waitForSignal("s", { signal: "sig", timeout: "1h" })),
  ];

  return [...supported, ...unsupported];
}
