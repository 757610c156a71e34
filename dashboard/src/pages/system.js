// System: who leads, what a commit takes, how large the store is and how it
// grows while somebody looks.

import { html, useRef } from "../../vendor/preact.js";
import { get } from "../api.js";
import { useInterval, useLoad } from "../hooks.js";
import { Facts, Heading, Notice, Panel, Progress } from "../parts/basic.js";
import { Chart, Stat, Stats } from "../parts/chart.js";
import { Status } from "../parts/status.js";
import { Table } from "../parts/table.js";
import { Time, bytes, count, milliseconds } from "../parts/time.js";

const EVERY = 2000;
const POINTS = 450;

// The first of the members that is there.
const first = (from, ...names) => names.map((name) => from?.[name])
  .find((value) => value !== undefined && value !== null);

const seconds = (s) => s === undefined || s === null ? null
  : milliseconds(s * 1000);

const words = (name) => name.replace(/_/g, " ");

// What has no place of its own here: names and values as they are.
function others(from, known) {
  return Object.entries(from ?? {}).filter(([name, value]) =>
    !known.includes(name) && value !== null && typeof value !== "object")
    .map(([name, value]) => [words(name), typeof value === "boolean"
      ? (value ? "yes" : "no") : String(value)]);
}

const TABLES = [
  { name: "table", title: "Table", cell: (row) => html`<code>${row.name
    }</code>` },
  { name: "rows", title: "Rows", kind: "right num",
    cell: (row) => count(row.rows) },
  { name: "bytes", title: "Pages", kind: "right num",
    cell: (row) => bytes(row.bytes) },
];

// {name: rows}, {name: {rows, bytes}} or [{name, rows}]
function tables(store) {
  const all = store?.tables ?? store?.rows ?? {};
  const list = Array.isArray(all) ? all
    : Object.entries(all).map(([name, value]) => typeof value === "object"
      ? { name, ...value } : { name, rows: value });

  return list.filter((row) => row.rows !== undefined)
    .sort((a, b) => b.rows - a.rows);
}

// What was seen while the page is open.
function useHistory(data) {
  const seen = useRef({ at: null, lists: [[], [], [], []] });
  const own = seen.current;

  if (data && own.at !== data) {
    const { store, batches } = data;

    own.at = data;
    own.lists = [Date.now() / 1000, store?.used_bytes ?? store?.used ?? null,
      batches?.commit_p50_ms ?? null, batches?.commit_p99_ms ?? null]
      .map((value, i) => [...own.lists[i], value].slice(-POINTS));
  }
  return own.lists;
}

function Leader({ data }) {
  const { leader, uptime_s, workers, mode, sidecar } = data;

  return html`<${Panel} title="Server" id="server"><${Facts} rows=${[
    ["Leader", leader ? `process ${leader.pid}` : "none at the moment"],
    ["Epoch", leader?.epoch],
    ["Leads since", leader?.since && html`<${Time} at=${leader.since} ago
      focus />`],
    ["Worker", leader?.worker],
    ["Workers", typeof workers === "object" ? workers?.length : workers],
    ["Up for", seconds(first(data, "uptime_s", "uptime")) ?? uptime_s],
    ["Mode", mode],
    ["Lag of the event loop", milliseconds(first(data, "loop_lag_ms",
      "event_loop_lag_ms", "lag_ms"))],
    ["Sidecar", sidecar && html`<${Status} status=${sidecar.connected ? "ok"
      : "error"} text=${sidecar.connected ? "connected"
      : "not connected: no app is called"} />`],
    ["Calls out", sidecar && first(sidecar, "in_flight")],
    ["Calls it would take", sidecar?.credits],
    ["Version of the sidecar", sidecar?.version],
  ]} /></${Panel}>`;
}

function Batches({ data, history }) {
  const b = data.batches ?? data.batch;
  const [times, , p50, p99] = history;

  return b && html`<${Panel} title="Commits" id="commits"><${Stats}
      label="Commits">
      <${Stat} name="Batches" value=${count(b.count)} />
      <${Stat} name="Operations in a batch"
        value=${first(b, "ops_per_batch", "ops")} />
      <${Stat} name="Commit, p50" value=${milliseconds(b.commit_p50_ms)} />
      <${Stat} name="Commit, p99" value=${milliseconds(b.commit_p99_ms)} />
    </${Stats}>
    ${p50.some((v) => v !== null) && html`<${Chart}
      label="Time of a commit while this page is open" height=${140}
      data=${[times, p50, p99]} value=${(v) => milliseconds(v)}
      series=${[{ label: "p50", token: "--accent", fill: true },
        { label: "p99", token: "--warn" }]} />`}</${Panel}>`;
}

function Store({ data, history }) {
  const { store } = data;
  const used = first(store, "used_bytes", "used");
  const limit = first(store, "limit_bytes", "limit", "map_bytes");
  const [times, sizes] = history;
  const grown = sizes.length > 1 ? sizes.at(-1) - sizes[0] : 0;
  const span = times.length > 1 ? times.at(-1) - times[0] : 0;

  return store && html`<${Panel} title="Store" id="store">
    <${Stats} label="Store">
      <${Stat} name="Used" value=${bytes(used)}
        kind=${limit && used / limit > 0.8 ? "bad" : ""}
        note=${limit && `of ${bytes(limit)}`} />
      <${Stat} name="File" value=${bytes(first(store, "file_bytes",
        "file"))} />
      <${Stat} name="Growth" value=${span < 4 ? null : `${grown < 0 ? "−" : ""
        }${bytes(Math.abs(Math.round(grown / span * 60)))}`}
        note="a minute, while this page is open" />
      <${Stat} name="Oldest run" value=${first(store, "oldest_run",
        "oldest_run_at") && html`<${Time} at=${first(store, "oldest_run",
        "oldest_run_at")} ago />`} />
    </${Stats}>
    ${limit && html`<${Progress} value=${used / limit}
      label="Store in use" />`}
    <${Chart} label="Size of the store while this page is open" height=${140}
      data=${[times, sizes]} value=${(v) => bytes(Math.round(v))}
      series=${[{ label: "used", token: "--accent", fill: true }]} />
  </${Panel}>`;
}

function Retention({ data }) {
  const retention = data.retention ?? data.store?.retention;
  const rows = Object.entries(retention ?? {}).map(([name, value]) => [
    words(name.replace(/_s$/, "")), value === null || value === 0 ? "forever"
      : name.endsWith("_s") ? seconds(value) : String(value)]);

  return rows.length > 0 && html`<${Panel} title="Retention" id="retention">
    <${Facts} rows=${rows} /></${Panel}>`;
}

export default function System() {
  const load = useLoad((signal) => get("v1/system", {}, signal), []);
  const data = load.data?.data;
  const history = useHistory(data);

  useInterval(() => load.reload(true), EVERY);

  return html`<${Heading} title="System" />
    ${load.error && html`<${Notice} kind="bad">${load.error}</${Notice}>`}
    ${data && html`<${Leader} data=${data} />
      <${Store} data=${data} history=${history} />
      <${Batches} data=${data} history=${history} />
      <${Retention} data=${data} />
      ${data.versions && html`<${Panel} title="Versions" id="versions">
        <${Facts} rows=${others(data.versions, [])} /></${Panel}>`}
      ${tables(data.store).length > 0 && html`<${Panel} title="Tables"
        id="tables" kind="flush"><${Table} label="Tables" columns=${TABLES}
        rows=${tables(data.store)} id=${(row) => row.name} /></${Panel}>`}`}`;
}
