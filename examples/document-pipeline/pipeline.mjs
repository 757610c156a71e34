// The workflow.  Every step.run() is remembered by the server as soon as it
// has finished: a step that fails is tried again alone, and a process that
// dies loses nothing that was done.

import { Inngest } from "inngest";

import { askModel, readPages, saveDocument } from "./services.mjs";

// The server shows what fails and is tried again, the app need not.
const quiet = () => {};
const logger = { debug: quiet, info: quiet, warn: console.warn, error: quiet };

export const inngest = new Inngest({ id: "documents", logger });

const AGENTS = ["summary", "risks", "keywords"];

export const documentPipeline = inngest.createFunction(
  {
    id: "pipeline",
    retries: 4,
    triggers: [{ event: "document.uploaded" }],
  },
  async ({ event, step, attempt }) => {
    const { name } = event.data;

    // The scanner is busy twice; the third attempt succeeds.
    const text = await step.run("ocr", () => readPages(name, attempt));

    const plan = await step.run("architect", () =>
      askModel("architect", `Plan the work on: ${text}`),
    );

    // Three agents at the same time.
    const findings = await Promise.all(
      AGENTS.map((agent) =>
        step.run(`agent-${agent}`, () =>
          askModel(agent, `${plan}\n\n${text}`),
        ),
      ),
    );

    // A durable pause: nothing waits in memory, the server may restart.
    await step.sleep("let-a-human-object", "2s");

    const id = await step.run("store", () => saveDocument(name, findings));

    return { id, findings };
  },
);
