// What a run waits for: events, signals, other functions, and requests that
// the server makes in its stead.

import { PROVIDER } from "./tools.mjs";

function events({ define }) {
  const woken = (event) => ({ woken: event?.data.by ?? null });
  const same = "async.data.key == event.data.key";

  return [
    define("wait-event", async ({ step }) =>
      woken(await step.waitForEvent("w",
        { event: "sdk/wake", timeout: "1m" }))),

    define("wait-if", async ({ step, run }) => {
      const event = await step.waitForEvent("w",
        { event: "sdk/wake-if", if: same, timeout: "1m" });
      await run("after");
      return woken(event);
    }),

    define("wait-timeout", async ({ step }) =>
      woken(await step.waitForEvent("w",
        { event: "sdk/nobody-sends-this", timeout: "1s" }))),

    define("wait-never", async ({ step }) =>
      woken(await step.waitForEvent("w",
        { event: "sdk/wake-never", if: same, timeout: "2s" }))),

    define("wait-parallel", async ({ step }) => {
      const [left, right] = await Promise.all([
        step.waitForEvent("l", { event: "sdk/left", timeout: "1m" }),
        step.waitForEvent("r", { event: "sdk/right", timeout: "1m" }),
      ]);
      return [left?.data.by ?? null, right?.data.by ?? null];
    }),
  ];
}

function signals({ define }) {
  const got = (result) => ({ got: result?.data ?? null });

  // The claim of the first run is stored before the second run begins.
  const contest = (id, signal, timeout, conflict) =>
    define(id, async ({ step }) => {
      const [result] = await Promise.all([
        step.waitForSignal("s", { signal, timeout, onConflict: "fail" }),
        step.sendEvent("tell", { name: "sdk/signal-second",
          data: { signal, conflict } }),
      ]);
      return got(result);
    });

  return [
    define("signal", async ({ step }) =>
      got(await step.waitForSignal("s",
        { signal: "plain", timeout: "1m", onConflict: "fail" }))),

    define("signal-timeout", async ({ step }) =>
      got(await step.waitForSignal("s",
        { signal: "silence", timeout: "1s", onConflict: "fail" }))),

    contest("signal-replace", "replaced", "3s", "replace"),
    contest("signal-conflict", "contested", "1m", "fail"),

    define("signal-second", async ({ event, step, run }) => {
      const { signal, conflict } = event.data;
      await run(`claim ${signal}`);
      return got(await step.waitForSignal("s",
        { signal, timeout: "1m", onConflict: conflict }));
    }, { retries: 0 }),
  ];
}

function invokes({ define, lib }) {
  const { referenceFunction } = lib;

  const child = define("child", async ({ event, run }) =>
    run("work", () => ({ got: event.data.x })));

  const broken = define("child-fails", async () => {
    throw new Error("child boom", { cause: new Error("inner") });
  }, { retries: 0 });

  const slow = define("child-sleeps", async ({ step }) =>
    step.sleep("long", "1h"));

  const caught = async (promise) => {
    try {
      return { unexpected: await promise };
    } catch (err) {
      return { message: err.message, cause: err.cause?.message ?? null };
    }
  };

  return [
    child, broken, slow,

    define("invoke", async ({ step, run }) => {
      const result = await step.invoke("i", { function: child,
        data: { x: 7 } });
      const after = await run("after", () => "after");
      return { result, after };
    }),

    define("invoke-failing", async ({ step }) =>
      caught(step.invoke("i", { function: broken }))),

    define("invoke-unknown", async ({ step }) =>
      caught(step.invoke("i",
        { function: referenceFunction({ functionId: "nowhere" }) }))),

    define("invoke-timeout", async ({ step }) =>
      caught(step.invoke("i", { function: slow, timeout: "1s" }))),

    define("invoke-other-app", async ({ step }) =>
      step.invoke("i", { data: { x: 21 }, function: referenceFunction(
        { appId: "sdk-other", functionId: "double" }) })),

    define("invoke-parallel", async ({ step }) =>
      Promise.all([1, 2, 3].map((x) =>
        step.invoke(`i-${x}`, { function: child, data: { x } })))),
  ];
}

function gateways({ define }) {
  const infer = (step, path) => step.ai.infer("ai", {
    model: step.ai.models.openai({ model: "parrot-1", apiKey: "secret",
      baseUrl: `${PROVIDER}/${path}/` }),
    body: { messages: [{ role: "user", content: "hello" }] },
  });

  const failed = async (work) => {
    try {
      return { unexpected: await work() };
    } catch (err) {
      return { failed: err.message.length > 0 };
    }
  };

  return [
    define("fetch", async ({ step }) => {
      const reply = await step.fetch(`${PROVIDER}/teapot`,
        { method: "POST", body: "leaves" });
      return { status: reply.status, body: await reply.text() };
    }),

    define("fetch-refused", async ({ step }) =>
      failed(() => step.fetch("http://127.0.0.1:9/nothing")),
      { retries: 1 }),

    define("infer", async ({ step }) => {
      const reply = await infer(step, "v1");
      return { text: reply.choices[0].message.content };
    }),

    define("infer-failing", async ({ step }) =>
      failed(() => infer(step, "broken")), { retries: 1 }),
  ];
}

export const waits = (sdk) => [
  ...events(sdk), ...signals(sdk), ...invokes(sdk), ...gateways(sdk),
];
