// The apps of the tests on the major version 4 of the SDK; CHECKPOINTING=off
// makes every step a call again.

import * as lib from "inngest";
import { createDefer } from "inngest/experimental";
import { endpointAdapter, serve, serveEndpoint } from "inngest/node";

import { start } from "./apps.mjs";
import { noted, note } from "./tools.mjs";

// What exists from version 4 on.
function more({ define }, client) {
  const later = createDefer(client, { id: "later" }, async (ctx) =>
    noted(ctx)("deferred", () => ctx.event.data.x));

  const defers = define("defer", async ({ defer, run }) => {
    defer("d", { function: later, data: { x: 5 } });
    const aborted = defer("aborted", { function: later, data: { x: 6 } });
    const value = await run("work");
    aborted.abort();
    return { value };
  });

  // A run each minute would come in between the others.
  const schedules = process.env.SCHEDULES !== "on" ? [] : [
    client.createFunction({ id: "cron", triggers: [{ cron: "* * * * *" }] },
      async (ctx) => {
        const step = await noted(ctx)("work", () => "ran");
        const { name, id, data } = ctx.event;
        return { name, id, data, step };
      }),
  ];

  const durable = (name, work) => [`/endpoint/${name}`,
    serveEndpoint(client.endpoint(async (req) => {
      const text = await work(new URL(req.url).searchParams.get("q"));
      return new Response(text, { status: 201,
        headers: { "x-answer": name } });
    }))];

  const step = (name, work) => lib.step.run(name, async () => {
    note({ kind: "step", step: name });
    return work();
  });

  return {
    functions: [later, defers, ...schedules],
    routes: [
      durable("sync", async (q) => {
        const one = await step("endpoint-sync", () => `${q}!`);
        return step("endpoint-sync-2", () => `${one}!`);
      }),
      durable("async", async (q) => {
        const one = await step("endpoint-async", () => `${q}?`);
        await lib.step.sleep("nap", "1s");
        return step("endpoint-async-2", () => `${one}?`);
      }),
    ],
  };
}

const checkpointing = process.env.CHECKPOINTING !== "off";

start({
  lib,
  serve,
  streaming: true,
  more,
  client: (id) => new lib.Inngest({ id, checkpointing, endpointAdapter }),
  create: (client) => (options, event, handler) =>
    client.createFunction({ ...options, triggers: [{ event }] }, handler),
});
