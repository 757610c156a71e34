// Runs: a list that moves, by all the filters of the API; a name behind
// #/runs/ is one of them.

import { html, useCallback } from "../../vendor/preact.js";
import { get, session } from "../api.js";
import { replaceArgs, useFeed } from "../hooks.js";
import { Button, Cut, Empty, Heading, Notice, server }
  from "../parts/basic.js";
import { BulkActions, UnfinishedJobs } from "../parts/bulk.js";
import { Fresh } from "../parts/fresh.js";
import { FilterBar, fieldOf, filterOf } from "../parts/filter.js";
import { usePages } from "../parts/pages.js";
import { ended, Status } from "../parts/status.js";
import { RowLink, Table } from "../parts/table.js";
import { Duration, Time } from "../parts/time.js";
import Run from "./run.js";

const KINDS = { "run.started": "Running", "run.completed": "Completed",
  "run.failed": "Failed", "run.cancelled": "Cancelled",
  "run.skipped": "Skipped" };

// What the feed says of a row, before it is read again.
function told(row, message) {
  const status = message.kind.startsWith("step.") ? "Running"
    : KINDS[message.kind];

  if (!status || ended(row.status)) {
    return row;
  }
  if (!ended(status)) {
    return row.status === status ? row : { ...row, status };
  }
  return { ...row, status, error: message.error ?? row.error,
    ended_at: new Date(message.ts).toISOString(),
    duration_ms: message.ms ?? row.duration_ms };
}

const RUN_COLUMNS = [
  { name: "status", title: "Status", label: "", kind: "tight",
    cell: (row) => html`<${Status} status=${row.status} />` },
  { name: "function", title: "Function", label: "", kind: "name",
    cell: (row) => html`<${RowLink} href=${`#/runs/${row.run_id}`}><${Cut}
      text=${row.function ?? row.function_id} /></${RowLink}>
      ${row.error && html`<span class="bad small"><${Cut} text=${
        String(row.error?.message ?? row.error)} /></span>`}` },
  { name: "event", title: "Event", kind: "middle",
    cell: (row) => html`<${Cut} text=${row.event_name ?? ""} />` },
  { name: "started", title: "Started", kind: "tight",
    cell: (row) => html`<${Time} at=${row.run_started_at} />` },
  { name: "duration", title: "Duration", kind: "tight right",
    cell: (row) => row.status === "Skipped" ? null : html`<${Duration}
      from=${row.run_started_at} to=${row.ended_at}
      ms=${row.ended_at ? row.duration_ms : undefined} />` },
  { name: "id", title: "Run", kind: "tight",
    cell: (row) => html`<code title=${row.run_id}>…${
      row.run_id.slice(-8)}</code>` },
];

const runId = (row) => row.run_id;

// A page of runs of the API, live; without the filters around it.
function useRuns(filter) {
  const key = JSON.stringify(filter);
  const fetchPage = useCallback((cursor, signal) => get("v1/runs",
    { ...filter, limit: 50, cursor }, signal), [key]);
  const list = usePages(fetchPage, runId, [key]);

  useFeed(["runs"], (batch, missed) => {
    const last = new Map(batch.map((message) => [message.run, message]));

    if (last.size) {
      list.change((row) => last.has(row.run_id)
        ? told(row, last.get(row.run_id)) : row);
    }
    if (missed || last.size) {
      list.refresh();
    }
  });
  return list;
}

function Nothing({ filtered }) {
  if (filtered) {
    return html`<${Empty} title="No run matches">Take away a filter, or wait:
      a run that matches appears here by itself.</${Empty}>`;
  }
  const key = session.mode === "dev" ? "dev" : "<event key>";

  return html`<${Empty} title="No runs yet" command=${`curl ${server()}/e/${
    key} \\\n  -d '{"name":"test/hello","data":{"n":1}}'`}>
    A run begins when an event comes that a function waits for. Send one from
    the terminal, or from <a href="#/events">Events</a>; what can run is
    in <a href="#/functions">Functions</a>.</${Empty}>`;
}

function Runs({ args }) {
  const filter = filterOf(args);
  const list = useRuns(filter);
  const field = fieldOf(list, filter);

  return html`<${Heading} title="Runs"><${BulkActions} filter=${filter}
      /></${Heading}>
    <${FilterBar} value=${filter} errors=${field ? { [field]: list.error }
      : {}} change=${(next) => replaceArgs("runs", next)} />
    <${UnfinishedJobs} />
    ${list.error && !field && html`<${Notice} kind="bad"
      action=${html`<${Button} onClick=${list.again}>Try again</${
        Button}>`}>${list.error}</${Notice}>`}
    <${Fresh} list=${list} />
    ${list.rows.length > 0 && html`<${Table} label="Runs" rows=${list.rows}
      columns=${RUN_COLUMNS} id=${runId} kind="runs" />`}
    ${list.rows.length === 0 && list.done && !list.error && html`<${Nothing}
      filtered=${Object.keys(filter).length > 0} />`}
    <${list.Foot} what="runs" />`;
}

export default function Page({ names, args }) {
  return names.length ? html`<${Run} id=${names[0]} args=${args} />`
    : html`<${Runs} args=${args} />`;
}
