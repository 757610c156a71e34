// The apps that the dashboard is tried with: one function for each thing that
// can happen to a run.  BROKEN names a file; while it is there, `fragile`
// fails.

import fs from "node:fs";
import http from "node:http";

import { Inngest, NonRetriableError } from "inngest";
import { serve } from "inngest/node";

const shop = new Inngest({ id: "shop" });
const depot = new Inngest({ id: "depot" });

// What must never be more than text in a page.
const hostile = "<img src=x onerror=alert(1)><script>alert(2)</script>"
  + "\u202e{{7*7}}${7*7} \u{1f600}";

const define = (id, handler, options = {}) =>
  shop.createFunction({ id, triggers: [{ event: `shop/${id}` }], ...options },
    handler);

const functions = [
  define("quick", async ({ event, step }) =>
    step.run("greet", () => ({ hello: event.data.name ?? "world" }))),

  define("order", async ({ event, step }) => {
    const order = await step.run("check the order", () =>
      ({ id: event.data.id ?? 1, total: 42 }));
    await step.sleep("let it settle", "500ms");
    const paid = await step.waitForEvent("wait for the money", {
      event: "shop/paid", timeout: "1h",
      if: "event.data.id == async.data.id",
    });
    await step.run("ship", () => ({ shipped: order.id }));
    return { order, paid: paid !== null };
  }),

  define("refund", async ({ event, step }) => {
    await step.run("look up", () => ({ amount: event.data.amount }));
    return step.run("pay back", ({ amount }) => {
      if (amount > 100) {
        throw new NonRetriableError(`${amount} is more than the till has`);
      }
      return { paid: amount };
    }, { amount: event.data.amount });
  }, { retries: 0 }),

  define("fragile", async ({ event, step }) =>
    step.run("break", () => {
      if (fs.existsSync(process.env.BROKEN)) {
        throw new NonRetriableError("the machine is broken");
      }
      return { repaired: event.data.n };
    }), { retries: 0 }),

  define("retried", async ({ attempt, step }) =>
    step.run("shaky", () => {
      if (attempt < 2) {
        throw new Error(`shaky on attempt ${attempt}`);
      }
      return { attempt };
    }), { retries: 4 }),

  define("nap", async ({ step }) => {
    await step.run("yawn", () => "tired");
    await step.sleep("sleep long", "1h");
    return "awake";
  }),

  define("approval", async ({ step }) =>
    step.waitForEvent("approved", { event: "shop/approved", timeout: "2h" })),

  define("parallel", async ({ step }) => {
    const parts = await Promise.all(["wheels", "frame", "bell"].map((part) =>
      step.run(part, () => `${part} ready`)));
    return step.run("put together", () => parts);
  }),

  define("parent", async ({ step }) =>
    step.invoke("ask quick", { function: functions[0],
      data: { name: "child" } })),

  define("throttled", async ({ event }) => event.data,
    { throttle: { limit: 1, period: "60s" } }),

  define("limited", async ({ step }) => {
    await step.sleep("hold", "1h");
  }, { concurrency: [{ scope: "fn", limit: 1, key: "event.data.user" },
    { scope: "fn", limit: 5 }] }),

  define("single", async ({ step }) =>
    step.run("hold the slot", () =>
      new Promise((done) => setTimeout(done, 600000))),
  { concurrency: 1, priority: { run: "event.data.vip ? 60 : 0" } }),

  define("hostile", async ({ event, step }) => {
    await step.run(hostile, () => ({ [hostile]: hostile, event }));
    throw new NonRetriableError(hostile);
  }, { name: hostile, retries: 0 }),

  define("yearly", async ({ step }) => step.run("count", () => 365),
    { triggers: [{ cron: "TZ=Europe/Berlin 0 12 31 12 *" }] }),

  define("linear", async ({ event, step }) =>
    step.run("read", () => event.data.body?.length ?? 0),
  { triggers: [{ event: "event/api.webhooks.linear.action" }] }),
];

const store = depot.createFunction({ id: "store", name: "Store a parcel",
  triggers: [{ event: "depot/parcel" }] },
async ({ event }) => ({ stored: event.data }));

const handlers = {
  "/api/inngest": serve({ client: shop, functions }),
  "/api/depot": serve({ client: depot, functions: [store],
    servePath: "/api/depot" }),
};

http.createServer((req, res) => {
  const handler = handlers[new URL(req.url, "http://localhost").pathname];
  handler ? handler(req, res) : res.writeHead(404).end("not here\n");
}).listen(Number(process.env.PORT), "127.0.0.1", () =>
  console.log("listening"));
