// An app of the npm SDK as a user has it, with a function of three steps, and
// its own stopwatch: GET /measure?n=N runs it N times, one after the other,
// from the event to Completed, and answers with milliseconds.

import http from "node:http";

import { Inngest } from "inngest";
import { serve } from "inngest/node";

const server = process.env.INNGEST_DEV;
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const client = new Inngest({ id: "sdk" });

let ended = () => {};

const three = client.createFunction(
  { id: "three", triggers: [{ event: "sdk/three" }] },
  async ({ step }) => {
    const one = await step.run("one", () => 1);
    const two = await step.run("two", () => one + 1);
    const last = await step.run("last", () => two + 1);
    ended();
    return last;
  });

function ask(method, path, body) {
  return new Promise((done, failed) => {
    const request = http.request(server + path, { method, agent },
      async (response) => {
        let text = "";
        for await (const chunk of response) {
          text += chunk;
        }
        done(JSON.parse(text));
      });
    request.on("error", failed);
    request.end(body);
  });
}

async function once() {
  const start = performance.now();
  const over = new Promise((done) => { ended = done; });
  const { ids } = await ask("POST", "/e/bench",
    JSON.stringify({ name: "sdk/three", data: {} }));

  await over;

  for (;;) {
    const { data } = await ask("GET", `/v1/events/${ids[0]}/runs`);
    if (data[0]?.status === "Completed") {
      return performance.now() - start;
    }
    if (performance.now() - start > 10000) {
      throw new Error(`the run of ${ids[0]} is not Completed`);
    }
  }
}

async function measure(n) {
  const times = [];
  for (let i = 0; i < n + n / 10; i++) {
    times.push(await once());
  }
  const sorted = times.slice(n / 10).sort((a, b) => a - b);
  return { p50: sorted[Math.floor(n / 2)], p99: sorted[Math.floor(n * 0.99)] };
}

const app = serve({ client, functions: [three] });

http.createServer(async (request, response) => {
  const url = new URL(request.url, "http://localhost");

  if (url.pathname !== "/measure") {
    app(request, response);
    return;
  }

  try {
    const result = await measure(Number(url.searchParams.get("n")));
    response.end(JSON.stringify(result));
  } catch (error) {
    response.statusCode = 500;
    response.end(JSON.stringify({ error: error.message }));
  }
}).listen(Number(process.env.PORT), "127.0.0.1");
