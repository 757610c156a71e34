// What every app of these tests shares: the record of what really happened,
// and functions whose steps are noted before they do their work.

import fs from "node:fs";

export const PROVIDER = process.env.PROVIDER ?? "http://127.0.0.1:9";

export function note(record) {
  fs.appendFileSync(process.env.SDK_LOG,
    JSON.stringify({ ts: Date.now(), ...record }) + "\n");
}

export const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// A step.run() whose every execution is noted; its default result is its name.
export const noted = ({ step, runId, attempt }) =>
  (name, work = () => name) =>
    step.run(name, async () => {
      note({ kind: "step", run: runId, step: name, attempt });
      return work();
    });

// define(id, handler, options) of an app: the function `id` is triggered by
// the event sdk/`id`, and its handler is given run() beside the context.
export const definer = (create) => (id, handler, options = {}) =>
  create({ id, ...options }, `sdk/${id}`, (ctx) =>
    handler({ ...ctx, run: noted(ctx) }));

// Waits until the step of the run was noted.
export async function seen(run, step) {
  const line = `"run":${JSON.stringify(run)},"step":${JSON.stringify(step)}`;

  while (!fs.readFileSync(process.env.SDK_LOG, "utf8").includes(line)) {
    await pause(50);
  }
}
