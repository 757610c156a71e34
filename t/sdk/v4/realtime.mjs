// Realtime of the SDK itself on 127.0.0.1:$PORT: POST /begin?id= subscribes
// and starts a run that publishes, GET /heard?id= tells what came, and
// GET /ended?id= what the run's own channel said of its end.

import http from "node:http";

import { Inngest } from "inngest";
import { serve } from "inngest/node";

const client = new Inngest({ id: "realtime" });
const stories = new Map();
const ends = new Map();

const topic = (id, name) => ({ channel: `story:${id}`, topic: name });

const tell = client.createFunction(
  { id: "tell", retries: 0, triggers: [{ event: "story/tell" }] },
  async ({ event, step }) => {
    const { id } = event.data;
    await step.realtime.publish("begin", topic(id, "words"), { n: 0 });
    for (let n = 1; n <= 4; n++) {
      await step.run(`say-${n}`, () =>
        client.realtime.publish(topic(id, "words"), { n }));
      await step.sleep(`pause-${n}`, "1s");
    }
    await client.realtime.publish(topic(id, "end"), "done");
    return "told";
  },
);

async function end(id, run) {
  const stream = await client.realtime.subscribe({
    channel: run, topics: ["$run"] });
  for await (const { kind, data, runId } of stream) {
    ends.set(id, { kind, data, own: runId === run });
  }
}

async function begin(id) {
  const heard = [];
  stories.set(id, heard);
  await client.send({ name: "story/tell", data: { id } });
  const stream = await client.realtime.subscribe({
    channel: `story:${id}`, topics: ["words", "end"] });
  for await (const message of stream) {
    if (!heard.length) {
      end(id, message.runId).catch((e) => ends.set(id, String(e)));
    }
    heard.push([message.topic, message.data, message.runId ?? null]);
  }
}

const handler = serve({ client, functions: [tell] });

http.createServer((req, res) => {
  const url = new URL(req.url, "http://localhost");
  const id = url.searchParams.get("id");
  const answer = (value) => {
    res.setHeader("content-type", "application/json");
    res.end(JSON.stringify(value));
  };

  if (url.pathname === "/begin") {
    begin(id).catch((e) => stories.get(id).push(["error", String(e)]));
    answer({ ok: true });
  } else if (url.pathname === "/ended") {
    answer(ends.get(id) ?? null);
  } else if (url.pathname === "/heard") {
    answer(stories.get(id) ?? []);
  } else {
    handler(req, res);
  }
}).listen(Number(process.env.PORT), "127.0.0.1");
