// Durable endpoints of the SDK on 127.0.0.1:$PORT; GET /ran tells, and
// forgets, which steps have run.

import http from "node:http";

import { Inngest, step } from "inngest";
import { endpointAdapter } from "inngest/edge";

const client = new Inngest({ id: "endpoints", endpointAdapter });
let ran = [];

const run = (name, work = () => name) =>
  step.run(name, () => {
    ran.push(name);
    return work();
  });

const endpoints = {
  "/plain": async () => [await run("a"), await run("b")],

  "/sleep": async () => {
    const before = await run("before");
    await step.sleep("nap", "1s");
    return [before, await run("after")];
  },

  "/parallel": async () => {
    const both = await Promise.all([run("p1"), run("p2")]);
    return [...both, await run("last")];
  },

  "/flaky": async () => {
    const failed = ran.includes("flaky");
    return run("flaky", () => {
      if (!failed) {
        throw new Error("once");
      }
      return "at last";
    });
  },
};

const handlers = Object.fromEntries(
  Object.entries(endpoints).map(([path, handler]) =>
    [path, client.endpoint(async () => Response.json(await handler()))]));

http.createServer(async (req, res) => {
  const url = new URL(req.url, `http://127.0.0.1:${process.env.PORT}`);

  if (url.pathname === "/ran") {
    res.end(JSON.stringify(ran));
    ran = [];
    return;
  }

  const chunks = [];
  for await (const chunk of req) {
    chunks.push(chunk);
  }

  const answer = await handlers[url.pathname](new Request(url, {
    method: req.method,
    headers: req.headers,
    body: chunks.length ? Buffer.concat(chunks) : undefined,
  }));

  res.writeHead(answer.status, Object.fromEntries(answer.headers));
  res.end(Buffer.from(await answer.arrayBuffer()));
}).listen(Number(process.env.PORT), "127.0.0.1");
