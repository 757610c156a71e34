// Serves the apps on 127.0.0.1:$PORT and notes every request on the way, with
// the bytes that were signed, so that a test can look at them or send them
// again.

import http from "node:http";
import { Readable } from "node:stream";

import { note } from "./tools.mjs";

async function received(req) {
  const chunks = [];
  for await (const chunk of req) {
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function noteRequest(req, url, body) {
  const record = {
    kind: "request",
    method: req.method,
    path: url.pathname + url.search,
    fn: url.searchParams.get("fnId"),
    step: url.searchParams.get("stepId"),
    headers: req.headers,
  };

  if (req.method === "POST" && body.length > 0) {
    try {
      const call = JSON.parse(body);
      record.run = call.ctx?.run_id;
      record.attempt = call.ctx?.attempt;
      record.use_api = call.use_api;
      record.memos = Object.keys(call.steps ?? {});
      record.version = call.version;
    } catch {
      record.garbage = true;
    }
  }

  if (body.length < 65536) {
    record.body = body.toString("utf8");
  }

  note(record);
  return record;
}

// routes: [path prefix, (req, res) => ...]; the longest first.
export function listen(routes) {
  const server = http.createServer(async (req, res) => {
    const body = await received(req);
    const url = new URL(req.url, "http://localhost");
    const { run, path } = noteRequest(req, url, body);

    res.on("finish", () =>
      note({ kind: "response", run, path, status: res.statusCode }));

    const [, handler] = routes.find(([prefix]) =>
      url.pathname.startsWith(prefix)) ?? [];

    if (!handler) {
      res.writeHead(404).end();
      return;
    }

    const replay = Readable.from(body.length > 0 ? [body] : []);
    handler(Object.assign(replay, {
      method: req.method,
      url: req.url,
      headers: req.headers,
      rawHeaders: req.rawHeaders,
      socket: req.socket,
      connection: req.socket,
      httpVersion: req.httpVersion,
    }), res);
  });

  server.listen(Number(process.env.PORT), "127.0.0.1", () =>
    note({ kind: "listening", pid: process.pid }));
}
