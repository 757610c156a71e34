// Workflows of Mastra on the server: GET /start/NAME starts one, and what
// came of it is noted.

import { Mastra } from "@mastra/core/mastra";
import { InMemoryStore } from "@mastra/core/storage";
import { createServe } from "@mastra/inngest";
import { serve } from "inngest/node";

import { inngest } from "./client.mjs";
import { listen } from "./server.mjs";
import { note } from "./tools.mjs";
import { workflows } from "./workflows.mjs";

const mastra = new Mastra({
  storage: new InMemoryStore(),
  logger: false,
  workflows: Object.fromEntries(Object.entries(workflows)
    .map(([name, [workflow]]) => [name, workflow])),
});

// The store may know a failure by its step alone.
function whatFailed({ error, steps }) {
  return [error, ...Object.values(steps ?? {}).map((step) => step?.error)]
    .filter(Boolean).map((err) => String(err.message ?? err)).join("; ");
}

async function play(name) {
  const [, program] = workflows[name];
  const run = await mastra.getWorkflow(name).createRun();
  note({ kind: "started", workflow: name, mastra: run.runId });

  try {
    const last = await program(run);
    const { status, result } = last;
    note({ kind: "result", workflow: name, status, result,
      error: whatFailed(last) });
  } catch (err) {
    note({ kind: "result", workflow: name, status: "threw",
      error: String(err) });
  }
}

listen([
  ["/api/inngest", createServe(serve)({ mastra, inngest })],
  ["/start/", (req, res) => {
    play(req.url.slice("/start/".length));
    res.writeHead(202).end();
  }],
]);
