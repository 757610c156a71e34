// Cancelling or replaying all runs of a filter: the question, and the bar of
// a job that goes on.

import { html, useState } from "../../vendor/preact.js";
import { get, post, session } from "../api.js";
import { go, useAction, useFeed, useLoad } from "../hooks.js";
import { Button, Facts, Progress } from "./basic.js";
import { Confirm } from "./dialog.js";
import { ended } from "./status.js";
import { Time, count } from "./time.js";

const WORDS = {
  cancel: ["Cancel", "cancelled", "Scheduled,Running"],
  replay: ["Replay", "started anew", "Failed"],
};

// The statuses that are chosen and can be meant, or else what is usual.
function statusesOf(action, chosen) {
  const list = (chosen ?? "").split(",").filter((status) => status !== ""
    && ended(status) === (action === "replay"));

  return list.join(",") || WORDS[action][2];
}

// A job with what the feed says of it.
export function toldJob(job, messages) {
  const last = messages.filter(({ id }) => id === job.id).at(-1);

  return last ? { ...job, ...last, filter: job.filter } : job;
}

const LABELS = { status: "Status", app: "App", function: "Function",
  event: "Event", id: "Id contains", q: "Expression", after: "From",
  before: "To" };

export const filterText = (filter) => Object.entries(filter ?? {}).map(
  ([name, value]) => `${(LABELS[name] ?? name).toLowerCase()}: ${value}`)
  .join(", ") || "all runs";

export function FilterFacts({ filter }) {
  return html`<${Facts} rows=${Object.entries(filter).map(([name, value]) => [
    LABELS[name] ?? name, name === "after" || name === "before"
      ? html`<${Time} at=${value} full />`
      : html`<code>${String(value)}</code>`])} />`;
}

export function JobProgress({ job }) {
  return html`<div class="job">
    <${Progress} value=${job.done ? 1 : job.progress}
      label=${`${WORDS[job.action]?.[0] ?? job.action} progress`} />
    <span>${count(job.changed)} ${WORDS[job.action]?.[1] ?? "changed"}${
      job.refused ? `, ${count(job.refused)} refused` : ""}, of ${
      count(job.matched)} that match; looked at ${count(job.scanned)}</span>
  </div>`;
}

// Above the list of runs, as long as one goes on.
export function UnfinishedJobs() {
  const jobs = useLoad((signal) => get("v1/bulk", {}, signal), []);
  const open = (jobs.data?.data ?? []).filter((job) => !job.done
    && !job.stopped);

  useFeed(["bulk"], (batch, missed) => {
    if (missed || batch.some(({ id }) => !open.some((job) => job.id === id))
        || batch.some(({ kind }) => kind === "bulk.done")) {
      jobs.reload();
    }
    jobs.set((old) => old && { ...old, data: old.data.map((job) =>
      toldJob(job, batch)) });
  });

  return open.map((job) => html`<div class="panel slim" key=${job.id}>
    <p><a href=${`#/bulk/${job.id}`}>${WORDS[job.action]?.[0] ?? job.action
    } runs</a> <span class="dim">${filterText(job.filter)}</span></p>
    <${JobProgress} job=${job} /></div>`);
}

function Ask({ action, filter, close }) {
  const [error, setError] = useState(null);
  const [sure, setSure] = useState(false);
  const [busy, act] = useAction(setError);
  const [word] = WORDS[action];
  const asked = { ...filter, status: statusesOf(action, filter.status) };
  const all = Object.keys(filter).filter((name) => name !== "status")
    .length === 0;

  const accept = () => act(async () => {
    const { data } = await post("v1/bulk", { action, filter: asked,
      ...(all ? { all: true } : {}) });
    go(["bulk", data.id]);
  });

  return html`<${Confirm} title=${`${word} all runs that match?`}
    action=${`${word} them`} danger=${action === "cancel"} close=${close}
    accept=${accept} busy=${busy} error=${error} disabled=${all && !sure}>
    <p>${action === "cancel" ? "Runs that have not ended are cancelled: what "
      + "their steps have done stays done, the rest does not happen."
      : "Each run that has ended is run again from its event, as a run of its "
        + "own. The old one stays as it is."} It goes on in the background,
      also when this page is closed, and can be stopped.</p>
    <${FilterFacts} filter=${asked} />
    ${all && html`<p><label class="check"><input type="checkbox"
      checked=${sure} onChange=${(event) => setSure(event.target.checked)} />
      No app, function or time is named: I mean all of them.</label></p>`}
  </${Confirm}>`;
}

export function BulkActions({ filter }) {
  const [action, setAction] = useState(null);

  if (session.read_only) {
    return null;
  }
  return html`<${Button} icon="again" onClick=${() => setAction("replay")}
      >Replay …</${Button}>
    <${Button} icon="cancelled" onClick=${() => setAction("cancel")}
      >Cancel …</${Button}>
    ${action && html`<${Ask} action=${action} filter=${filter}
      close=${() => setAction(null)} />`}`;
}
