// Jobs: what was asked of many runs at once, how far it is, and the way to
// stop it.

import { html, useState } from "../../vendor/preact.js";
import { del, get, part, session } from "../api.js";
import { href, useAction, useFeed, useInterval, useLoad }
  from "../hooks.js";
import { Button, Empty, Facts, Heading, Id, Notice, Panel, server }
  from "../parts/basic.js";
import { FilterFacts, JobProgress, filterText, toldJob }
  from "../parts/bulk.js";
import { Confirm } from "../parts/dialog.js";
import { Status } from "../parts/status.js";
import { RowLink, Table } from "../parts/table.js";
import { Time } from "../parts/time.js";
import { toast } from "../parts/toast.js";

const TITLES = { cancel: "Cancel runs", replay: "Replay runs" };

const stateOf = (job) => job.stopped ? "Stopped" : job.done ? "Done"
  : "Running";

const title = (job) => TITLES[job.action] ?? job.action;

const COLUMNS = [
  { name: "state", title: "State", label: "", kind: "tight",
    cell: (job) => html`<${Status} status=${stateOf(job)} />` },
  { name: "what", title: "Job", label: "", kind: "name",
    cell: (job) => html`<${RowLink} href=${`#/bulk/${job.id}`}>${
      title(job)}</${RowLink}><span class="dim small cut">${
      filterText(job.filter)}</span>` },
  { name: "progress", title: "Progress", label: "", kind: "whole",
    cell: (job) => html`<${JobProgress} job=${job} />` },
  { name: "at", title: "Since", kind: "tight",
    cell: (job) => html`<${Time} at=${job.created_at} />` },
];

const COMMAND = `curl ${server()}/v1/bulk \\
  -H 'Content-Type: application/json' \\
  -d '{"action":"replay","filter":{"status":"Failed",\
"after":"2026-01-01T00:00:00Z"}}'`;

function Jobs() {
  const jobs = useLoad((signal) => get("v1/bulk", {}, signal), []);
  const rows = jobs.data?.data ?? [];

  useFeed(["bulk"], (batch, missed) => {
    jobs.set((old) => old && { ...old, data: old.data.map((job) =>
      toldJob(job, batch)) });
    if (missed || batch.some(({ id, kind }) => kind === "bulk.done"
        || !rows.some((job) => job.id === id))) {
      jobs.reload();
    }
  });

  return html`<${Heading} title="Jobs" />
    ${jobs.error && html`<${Notice} kind="bad">${jobs.error}</${Notice}>`}
    ${rows.length > 0 && html`<${Table} label="Jobs" columns=${COLUMNS}
      rows=${rows} />`}
    ${jobs.data && rows.length === 0 && html`<${Empty} title="No jobs yet"
      command=${COMMAND}>A job cancels or replays all runs that match a
      filter: choose them in <a href="#/runs?status=Failed">Runs</a>, then
      Replay or Cancel.</${Empty}>`}`;
}

function Stop({ job, close, done }) {
  const [error, setError] = useState(null);
  const [busy, act] = useAction(setError);
  const stop = () => act(async () => {
    await del(`v1/bulk/${part(job.id)}`);
    toast("The job is stopped.");
    done();
  });

  return html`<${Confirm} title="Stop the job?" action="Stop it" danger
    close=${close} accept=${stop} busy=${busy} error=${error}>
    <p>What it has begun goes on; the runs it has not come to are left as they
      are.</p></${Confirm}>`;
}

function Job({ id }) {
  const [asks, setAsks] = useState(false);
  const load = useLoad(async (signal) =>
    (await get(`v1/bulk/${part(id)}`, {}, signal)).data, [id]);
  const job = load.data;
  const goes = job && !job.done && !job.stopped;

  useFeed(["bulk"], (batch, missed) => {
    load.set((old) => old && toldJob(old, batch));
    if (missed || batch.some((message) => message.id === id
        && message.kind === "bulk.done")) {
      load.reload(true);
    }
  });
  useInterval(() => load.reload(), goes ? 3000 : 0);

  if (!job) {
    return html`<${Heading} title="Job" />${load.error && html`<${Notice}
      kind="bad">${load.error}</${Notice}>`}`;
  }

  return html`<${Heading} title=${title(job)} above=${html`<p class="above"><a
      href="#/bulk">Jobs</a></p>`}>${goes && !session.read_only
      && html`<${Button} icon="stop" kind="danger"
        onClick=${() => setAsks(true)}>Stop</${Button}>`}</${Heading}>
    ${load.error && html`<${Notice} kind="bad">${load.error}</${Notice}>`}
    <${Panel}>
      <p class="state-line"><${Status} status=${stateOf(job)} /></p>
      <${JobProgress} job=${job} />
      <${Facts} rows=${[["Since", html`<${Time} at=${job.created_at} ago
        focus />`], ["Is at runs of", goes && job.at && html`<${Time}
        at=${job.at} full />`], ["Job", html`<${Id} id=${job.id} />`]]} />
    </${Panel}>
    <${Panel} title="Which runs" id="which" actions=${html`<a
      href=${href("runs", job.filter)}>Show them in Runs</a>`}>
      ${Object.keys(job.filter ?? {}).length
        ? html`<${FilterFacts} filter=${job.filter} />` : "All runs."}
    </${Panel}>
    ${asks && html`<${Stop} job=${job} close=${() => setAsks(false)}
      done=${() => {
        setAsks(false);
        load.reload(true);
      }} />`}`;
}

export default function Page({ names }) {
  return names.length ? html`<${Job} id=${names[0]} />` : html`<${Jobs} />`;
}
