// One step in full, and the dialog that runs a run again.

import { html, useState } from "../../vendor/preact.js";
import { post, part, session } from "../api.js";
import { go, useAction } from "../hooks.js";
import { Button, Facts, Panel } from "./basic.js";
import { Dialog } from "./dialog.js";
import { Json, JsonEditor, LargeJson, check, pretty } from "./json.js";
import { Status } from "./status.js";
import { Table } from "./table.js";
import { Duration, Time, milliseconds } from "./time.js";
import { lengthOf, stateOf } from "./timeline.js";
import { toast } from "./toast.js";
import { Waiting } from "./waiting.js";
import { opWord } from "./waterfall.js";

const GATEWAYS = ["Gateway", "AIGateway"];

// An error object of an SDK: what it says first, then the stack, then it all.
function ErrorBox({ error, label = "Error" }) {
  const object = typeof error === "object" && error !== null;
  const message = object ? error.message ?? error.error : error;
  const stack = object && typeof error.stack === "string" ? error.stack : "";

  return html`<div class="error-box" role="group" aria-label=${label}>
    <p class="error-text">${object && error.name && html`<b>${
      String(error.name)}: </b>`}${typeof message === "string" ? message
      : "It failed."}</p>
    ${stack && html`<details><summary>Stack</summary><pre tabindex="0">${
      stack}</pre></details>`}
    ${object && html`<details><summary>All of it</summary><${Json}
      value=${error} label=${label} /></details>`}
  </div>`;
}

// An error that may be too large to be here.
export function LargeError({ value, size, link, pick }) {
  return value === null && size ? html`<${LargeJson} value=${value}
    size=${size} link=${link} pick=${pick} label="Error" />`
    : html`<${ErrorBox} error=${value} />`;
}

const ATTEMPTS = [
  { name: "n", title: "Attempt", kind: "tight",
    cell: (row) => String((row.attempt ?? 0) + 1) },
  { name: "outcome", title: "Outcome", kind: "tight",
    cell: (row) => html`<${Status} status=${row.outcome ?? "Running"} />` },
  { name: "status", title: "HTTP", kind: "tight",
    cell: (row) => row.status ? String(row.status) : "" },
  { name: "started", title: "Started", kind: "tight",
    cell: (row) => html`<${Time} at=${row.started_at} ms />` },
  { name: "took", title: "Took", kind: "tight right",
    cell: (row) => row.duration_us === undefined ? ""
      : milliseconds(row.duration_us / 1000) },
  { name: "error", title: "Error", kind: "whole text",
    cell: (row) => html`${row.error && html`<span class="wrap">${
      String(row.error)}</span>`}${row.retry_at && html`<span
      class="dim wrap"> next at <${Time} at=${row.retry_at} ms /></span>`}${
      row.answer && html`<pre class="wrap">${String(row.answer)}</pre>`}` },
];

// In little room: a line for each, below it what went wrong.
export function AttemptList({ rows, label = "Attempts" }) {
  return html`<ol class="attempts" aria-label=${label}>${rows.map((row) =>
    html`<li key=${`${row.job_id}.${row.generation}`}>
    <p><${Status} status=${row.outcome ?? "Running"} />
      <span class="dim">${[`attempt ${(row.attempt ?? 0) + 1}`,
      row.status && `HTTP ${row.status}`, row.duration_us !== undefined
      && milliseconds(row.duration_us / 1000)].filter(Boolean).join(" · ")
      }</span> <${Time} at=${row.started_at} ms /></p>
    ${row.error && html`<p class="bad wrap">${String(row.error)}</p>`}
    ${row.retry_at && html`<p class="dim"><span>The next one at <${
      Time} at=${row.retry_at} ms />.</span></p>`}
    ${row.answer && html`<pre class="wrap">${String(row.answer)}</pre>`}
  </li>`)}</ol>`;
}

export function Attempts({ rows, label = "Attempts" }) {
  return html`<${Table} label=${label} columns=${rows.some((row) => row.error
    || row.retry_at || row.answer) ? ATTEMPTS : ATTEMPTS.slice(0, -1)}
    rows=${rows} kind="small-table"
    id=${(row) => `${row.job_id}.${row.generation}`} />`;
}

// ---- again

function canEdit(step) {
  return step && !GATEWAYS.includes(step.op)
    && ["StepRun", "StepPlanned", "Step", "StepFailed", "StepError"]
      .includes(step.op);
}

// The arguments of the step as an array, as the SDK gave them.
function firstInput(step) {
  return step?.input === undefined || step.input === null ? "[]"
    : pretty(step.input);
}

export function Rerun({ run, step, close }) {
  const [edits, setEdits] = useState(false);
  const [text, setText] = useState(firstInput(step));
  const [error, setError] = useState(null);
  const [busy, act] = useAction(setError);
  const checked = check(text);
  const wrong = checked.error === undefined && !Array.isArray(checked.value)
    ? "The input is the list of the arguments: put it into [ ]." : undefined;

  const start = () => act(async () => {
    const body = !step ? {} : { from_step: { stepID: step.hashed_id,
      ...(edits ? { input: checked.value } : {}) } };
    const { data } = await post(`v1/runs/${part(run.run_id)}/rerun`, body);

    close();
    toast("It runs again.");
    go(["runs", data.run_id]);
  });

  return html`<${Dialog} close=${close} wide=${edits}
    title=${step ? "Run again from this step" : "Run again"}>
    <p>${step ? html`A new run takes over the results of the steps
      before <b>${step.id}</b> and goes on from there with the code of now.`
      : "A new run of the function starts with the same event, and the code "
        + "of now."} This run stays as it is.</p>
    ${canEdit(step) && html`<p><label class="check"><input type="checkbox"
      checked=${edits} onChange=${(event) => setEdits(event.target.checked)} />
      with another input of the step</label></p>`}
    ${edits && html`<${JsonEditor} label="Input: the arguments as a JSON array"
      text=${text} change=${setText} error=${wrong} />`}
    ${error && html`<p class="bad" role="alert">${error}</p>`}
    <div class="actions end">
      <${Button} onClick=${close}>Back</${Button}>
      <${Button} kind="main" icon="again" busy=${busy} onClick=${start}
        disabled=${edits && Boolean(checked.error || wrong)}>Run again</${
        Button}>
    </div>
  </${Dialog}>`;
}

// ---- the step

function stepFacts(step, run) {
  const first = step.attempts?.[0]?.started_at ?? step.created_at;

  return [
    ["Started", html`<${Time} at=${first} ms focus />`],
    ["Ended", step.ended_at && html`<${Time} at=${step.ended_at} ms
      focus />`],
    ["Took", step.ended_at ? milliseconds(lengthOf(step))
      : first && !run.ended_at && html`<${Duration} from=${first} />`],
    ["Wakes", step.wakes_at && html`<${Time} at=${step.wakes_at} ago
      focus />`],
    ["Next attempt", step.retry_at && html`<${Time} at=${step.retry_at} ago
      focus />`],
    ["At the latest", step.expires_at && html`<${Time} at=${step.expires_at}
      ago focus />`],
    ["Event", step.event && html`<a href=${`#/events?name=${
      encodeURIComponent(step.event)}`}>${step.event}</a>`],
    ["Signal", step.signal],
    ["URL", step.url],
    ["Function", step.function && html`<a href=${`#/functions/${
      encodeURIComponent(step.function)}`}>${step.function}</a>`],
    ["Run", step.child_run_id && html`<a href=${`#/runs/${
      step.child_run_id}`}>…${step.child_run_id.slice(-8)}</a>`],
  ];
}

function Body({ step, name, title, run }) {
  const value = step[name];
  const size = step[`${name}_bytes`];

  if (value === undefined || (value === null && !size
      && (name === "input" || step.state !== "done"))) {
    return null;
  }
  return html`<h3>${title}</h3><${LargeJson} value=${value} size=${size}
    label=${title} pick=${(data) => data?.[name] ?? data}
    link=${step.link ?? `/v1/runs/${run}/steps/${step.hashed_id}`} />`;
}

export function StepDetails({ run, step }) {
  const [again, setAgain] = useState(false);
  const word = opWord(step.op);

  return html`<${Panel} id="step" title=${String(step.id)}
    actions=${!session.read_only && run.ended_at && step.state !== "planned"
      && html`<${Button} icon="again" onClick=${() => setAgain(true)}
        >Rerun from here</${Button}>`}>
    <p class="state-line"><${Status} status=${stateOf(step, run)} />${word
      && html` <span class="tag">${word}</span>`}</p>
    <${Facts} rows=${stepFacts(step, run)} />
    <${Waiting} items=${run.waiting} step=${step.hashed_id} />
    ${"error" in step && html`<h3>Error</h3><${LargeError} value=${step.error}
      size=${step.error_bytes} pick=${(data) => data?.error ?? data}
      link=${step.link} />`}
    <${Body} step=${step} run=${run.run_id} name="input" title="Input" />
    <${Body} step=${step} run=${run.run_id} name="output" title="Output" />
    ${step.attempts?.length > 0 && html`<h3>Attempts</h3>
      <${AttemptList} rows=${step.attempts} />`}
    ${again && html`<${Rerun} run=${run} step=${step}
      close=${() => setAgain(false)} />`}
  </${Panel}>`;
}
