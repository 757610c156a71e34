// Why a run does not go on, in words: an item of `waiting`.

import { html } from "../../vendor/preact.js";
import { Time, count } from "./time.js";

const SCOPES = { fn: "of the function", env: "of the environment",
  account: "of the account", run: "of whole runs" };

const number = (item, name) => `${count(item[name])}${item.at_least
  ? " or more" : ""}`;

function turn(item) {
  return item.before ? ` ${number(item, "before")} go first.` : "";
}

function limit(item) {
  const key = item.key ? html` for the same <code>${item.key}</code>` : null;

  return html`${item.limit ?? "its"} at once ${SCOPES[item.scope] ?? ""}${
    key}`;
}

const until = (item, words = " until") => item.until
  ? html`${words} <${Time} at=${item.until} ago />` : null;

const TEXTS = {
  call: (item) => html`The app has it${item.since
    ? html`, since <${Time} at=${item.since} ago />` : null}.`,
  queued: (item) => html`It is due and in the queue.${turn(item)}`,
  calls: (item) => html`The app has as many calls as it may have${item.limit
    ? ` (${item.limit})` : ""}.${turn(item)}`,
  concurrency: (item) => html`A limit holds it: ${limit(item)}.${
    turn(item)}`,
  throttle: (item) => html`A throttle holds it${until(item)}.${turn(item)}`,
  paused: () => "The function is paused, until somebody resumes it.",
  parked: (item) => html`The app does not answer${item.error
    ? html` (${item.error})` : null}${until(item, " and is tried again")}.`,
  retry: (item) => html`The next attempt${item.attempt !== undefined
    ? ` (number ${item.attempt + 1})` : ""} is${until(item, " at")}.`,
  scheduled: (item) => html`It is to start${until(item, " at")}.`,
  sleep: (item) => html`It sleeps${until(item)}.`,
  event: (item) => html`It waits for the event <code>${item.event
    }</code>${until(item, ", at most until")}.`,
  signal: (item) => html`It waits for the signal <code>${item.signal
    }</code>${until(item, ", at most until")}.`,
  invoke: (item) => html`It waits for ${item.child_run_id ? html`<a
    href=${`#/runs/${item.child_run_id}`}>the run it invoked</a>`
    : "the run it invoked"}${until(item, ", at most until")}.`,
  client: (item) => html`The client of the endpoint executes it; the server
    takes over${until(item, " at")}.`,
  copying: () => "It takes over the results of the steps before.",
};

// run: its id, when a step in it can be chosen; step: of that one only.
export function Waiting({ items, run, step }) {
  const shown = (items ?? []).filter((item) => !item.more
    && (step === undefined || item.step_id === step));
  const more = (items ?? []).find((item) => item.more);

  return shown.length > 0 && html`<ul class="why-list">${shown.slice(0, 12)
    .map((item, i) => html`<li key=${item.job_id ?? i}>${item.step
      && step === undefined && html`<a href=${`#/runs/${run}?step=${
      item.step_id}`}><b>${item.step}</b></a>: `}<span>${(
      TEXTS[item.kind] ?? (() => item.kind))(item)}</span></li>`)}
    ${(more || shown.length > 12) && html`<li class="dim">and ${
      count(shown.length - 12 + (more?.more ?? 0))} more</li>`}</ul>`;
}
