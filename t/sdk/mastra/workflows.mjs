// The workflows under test and what is done with a run of each: a program is
// given the run and ends with its last result.

import { createWorkflow, createStep } from "./client.mjs";
import { z } from "zod";

import { note, pause, seen } from "./tools.mjs";

const value = z.object({ value: z.number() });

// A step whose every execution is noted before it does its work.
const step = (id, work, options = {}) => createStep({
  id,
  inputSchema: value,
  outputSchema: value,
  ...options,
  execute: async (context) => {
    note({ kind: "step", run: context.runId, step: id });
    return work(context.inputData.value, context);
  },
});

const plus = (id, more = 1) => step(id, (n) => ({ value: n + more }));

const workflow = (id, input = value) =>
  createWorkflow({ id, inputSchema: input, outputSchema: z.any() });

const start = (inputData) => (run) => run.start({ inputData });
const one = start({ value: 1 });

const plain = {
  then: [workflow("then").then(plus("first")).then(plus("second", 2))
    .commit(), one],

  dountil: [workflow("dountil").dountil(plus("again"),
    async ({ inputData }) => inputData.value >= 4).commit(), one],

  dowhile: [workflow("dowhile").dowhile(plus("again"),
    async ({ inputData }) => inputData.value < 4).commit(), one],

  branch: [workflow("branch").branch([
    [async ({ inputData }) => inputData.value > 10, plus("big", 100)],
    [async ({ inputData }) => inputData.value <= 10, plus("small", 10)],
  ]).commit(), one],

  parallel: [workflow("parallel").parallel([plus("left"), plus("right", 2)])
    .commit(), one],

  foreach: [workflow("foreach", z.array(value))
    .foreach(plus("each"), { concurrency: 2 }).commit(),
  start([{ value: 1 }, { value: 2 }, { value: 3 }])],

  nested: [workflow("nested").then(plus("outer"))
    .then(createWorkflow({ id: "inner", inputSchema: value,
      outputSchema: value }).then(plus("inside", 10)).commit())
    .then(plus("last", 100)).commit(), one],
};

const timed = {
  sleep: [workflow("sleep").then(plus("before")).sleep(1000)
    .then(plus("after")).commit(), one],

  "sleep-until": [workflow("sleep-until").then(plus("before"))
    .sleepUntil(async () => new Date(Date.now() + 2000))
    .then(plus("after")).commit(), one],
};

const approval = step("approve", async (n, { resumeData, suspend }) =>
  resumeData ? { value: n + resumeData.more } : suspend({}),
{ resumeSchema: z.object({ more: z.number() }) });

// What is sent while the server is away is sent again.
async function patiently(work) {
  for (let i = 0; ; i++) {
    try {
      return await work();
    } catch (err) {
      if (i === 20) {
        throw err;
      }
      await pause(500);
    }
  }
}

// The run that was suspended may write its end after the resume has begun;
// resume() then tells that one.  The store has the last word.
async function resumed(run) {
  const first = await run.start({ inputData: { value: 1 } });
  note({ kind: "suspended", status: first.status });
  let last = await patiently(() =>
    run.resume({ step: "approve", resumeData: { more: 5 } }));

  while (last.status === "suspended" || last.status === "running") {
    await pause(100);
    last = await troubled.suspend[0].getWorkflowRunById(run.runId);
  }

  return last;
}

async function cancelled(run) {
  const result = run.start({ inputData: { value: 1 } });
  await seen(run.runId, "before");
  await patiently(() => run.cancel());
  return result;
}

let tries = 0;

const troubled = {
  suspend: [workflow("suspend").then(approval).then(plus("after", 10))
    .commit(), resumed],

  cancel: [workflow("cancel").then(plus("before")).sleep(3600000)
    .then(plus("never")).commit(), cancelled],

  retries: [workflow("retries").then(step("shaky", (n) => {
    tries += 1;
    if (tries < 3) {
      throw new Error(`try ${tries} fails`);
    }
    return { value: n + 1 };
  }, { retries: 4 })).commit(), one],

  failure: [workflow("failure").then(plus("before"))
    .then(step("doomed", () => {
      throw new Error("doomed on purpose");
    })).then(plus("never")).commit(), one],
};

export const workflows = { ...plain, ...timed, ...troubled };
