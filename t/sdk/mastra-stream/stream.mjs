// A workflow of Mastra on 127.0.0.1:$PORT: POST /begin?id= streams a run of it,
// GET /heard?id= tells what came.  For both lines of @mastra/inngest.

import http from "node:http";

import { Mastra } from "@mastra/core/mastra";
import { InMemoryStore } from "@mastra/core/storage";
import { createServe, init } from "@mastra/inngest";
import { Inngest } from "inngest";
import { serve } from "inngest/node";
import { z } from "zod";

const middleware = [];
if (process.env.LINE === "1.2") {
  const { realtimeMiddleware } = await import("@inngest/realtime/middleware");
  middleware.push(realtimeMiddleware());
}

const inngest = new Inngest({ id: "mastra", middleware,
  ...(process.env.INNGEST_DEV === "0" ? {} : {
    baseUrl: process.env.INNGEST_DEV, isDev: true }) });
const { createStep, createWorkflow } = init(inngest);

const n = z.object({ n: z.number() });
const step = (id) => createStep({ id, inputSchema: n, outputSchema: n,
  execute: async ({ inputData }) => ({ n: inputData.n + 1 }) });

const count = createWorkflow({ id: "count", inputSchema: n, outputSchema: n })
  .then(step("one")).then(step("two")).sleep(2000).then(step("three"))
  .commit();

const mastra = new Mastra({ storage: new InMemoryStore(), logger: false,
                            workflows: { count } });
const stories = new Map();

async function begin(id) {
  const heard = { types: [] };
  stories.set(id, heard);
  const run = await mastra.getWorkflow("count").createRun();
  const stream = run.stream({ inputData: { n: 1 } });
  for await (const chunk of stream.fullStream) {
    heard.types.push(chunk.type);
  }
  const { status, result, error } = await stream.result;
  Object.assign(heard, { status, result, error: error && String(error) });
}

const handler = createServe(serve)({ mastra, inngest });

http.createServer((req, res) => {
  const url = new URL(req.url, "http://localhost");
  const id = url.searchParams.get("id");
  const answer = (value) => {
    res.setHeader("content-type", "application/json");
    res.end(JSON.stringify(value));
  };

  if (url.pathname === "/begin") {
    begin(id).catch((e) => { stories.get(id).status = String(e); });
    answer({ ok: true });
  } else if (url.pathname === "/heard") {
    answer(stories.get(id) ?? {});
  } else {
    handler(req, res);
  }
}).listen(Number(process.env.PORT), "127.0.0.1");
