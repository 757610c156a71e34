// System: who leads, what a commit takes, how large the store is and how it
// grows while somebody looks.

import { html, useRef } from "../../vendor/preact.js";
import { get } from "../api.js";
import { useFeed, useInterval, useLoad } from "../hooks.js";
import { Facts, Heading, Notice, Panel, Progress } from "../parts/basic.js";
import { Chart, Stat, Stats } from "../parts/chart.js";
import { Status } from "../parts/status.js";
import { Time, bytes, count, milliseconds } from "../parts/time.js";

const EVERY = 2000;
const POINTS = 450;

const known = (value) => value !== undefined && value !== null;

const us = (value) => known(value) ? milliseconds(value / 1000) : null;

// What was seen while the page is open: times, bytes, p50 and p99 of a commit.
function useHistory(data) {
  const seen = useRef({ at: null, lists: [[], [], [], []] });
  const own = seen.current;

  if (data && own.at !== data) {
    const { store, batches } = data;

    own.at = data;
    own.lists = [Date.now() / 1000, store.contents?.used_bytes ?? null,
      batches?.commit_p50_us ?? null, batches?.commit_p99_us ?? null]
      .map((value, i) => [...own.lists[i], value].slice(-POINTS));
  }
  return own.lists;
}

function Server({ data }) {
  const { leader, sidecar, worker, workers, mode, event_loop: loop } = data;

  return html`<div class="columns">
    <${Panel} title="Server" id="server"><${Facts} rows=${[
    ["Leader", leader ? `process ${leader.pid}` : "none at the moment"],
    ["It leads since", leader?.since && html`<${Time} at=${leader.since} ago
      focus />`],
    ["Epoch", leader?.epoch],
    ["Workers", known(workers) && `${workers}, ${leader?.followers ?? 0} with `
      + "the leader"],
    ["Up for", worker && milliseconds(worker.uptime_s * 1000)],
    ["Mode", mode],
    ["Lag of the event loop, p99", us(loop?.lag_p99_us)],
    ["Runs that live", count(data.runs_live)],
  ]} /></${Panel}>
  <${Panel} title="Sidecar" id="sidecar"><${Facts} rows=${[
    ["State", html`<${Status} status=${sidecar?.connected ? "ok" : "error"}
      text=${sidecar?.connected ? "connected"
        : "not connected: no app is called"} />`],
    ["Calls out", known(sidecar?.in_flight) && count(sidecar.in_flight)],
    ["Calls it would take", known(sidecar?.credits)
      && count(sidecar.credits)],
    ["Process", sidecar?.pid],
    ["Version", sidecar?.version],
  ]} /></${Panel}></div>`;
}

function Commits({ data, history }) {
  const { batches, queue } = data;
  const [times, , p50, p99] = history;

  return batches && html`<${Panel} title="Commits" id="commits"><${Stats}
      label="Commits">
      <${Stat} name="Batches" value=${count(batches.count)}
        note=${batches.failed > 0 && `${count(batches.failed)} failed`} />
      <${Stat} name="Operations in the last" value=${count(batches.last_ops)}
        note=${`p99 ${count(batches.ops_p99)}`} />
      <${Stat} name="Commit, p50" value=${us(batches.commit_p50_us)} />
      <${Stat} name="Commit, p99" value=${us(batches.commit_p99_us)} />
      <${Stat} name="Waits for the next" value=${count((queue?.control ?? 0)
        + (queue?.ingest ?? 0))} />
    </${Stats}>
    ${times.length > 2 && html`<${Chart} data=${[times, p50, p99]}
      label="Time of a commit while this page is open" height=${140}
      value=${us} series=${[{ label: "p50", token: "--accent", fill: true },
        { label: "p99", token: "--warn" }]} />`}</${Panel}>`;
}

// A minute's growth, once there is something to say.
function growth(times, sizes) {
  const span = times.length > 1 ? times.at(-1) - times[0] : 0;
  const grown = Math.round((sizes.at(-1) - sizes[0]) / span * 60);

  return span < 4 ? null
    : `${grown < 0 ? "−" : ""}${bytes(Math.abs(grown))}`;
}

function Store({ store, history }) {
  const { used_bytes: used, file_bytes: file, limit_bytes: limit,
    oldest_run_at: oldest } = store.contents;
  const [times, sizes] = history;

  return html`<${Panel} title="Store" id="store">
    <${Stats} label="Store">
      <${Stat} name="Used" value=${bytes(used)} note=${`of ${bytes(limit)}`}
        kind=${used / limit > 0.8 ? "bad" : ""} />
      <${Stat} name="File" value=${bytes(file)} />
      <${Stat} name="Growth" value=${growth(times, sizes)}
        note="a minute, while this page is open" />
      <${Stat} name="Oldest run" value=${oldest
        && html`<${Time} at=${oldest} />`} />
      <${Stat} name="Kept after their end" value=${store.retention_s
        ? milliseconds(store.retention_s * 1000) : "for ever"} />
      <${Stat} name="Durability" value=${store.durability} />
    </${Stats}>
    <${Progress} value=${used / limit} label="Share of the store in use" />
    ${times.length > 2 && html`<${Chart} data=${[times, sizes]}
      label="Size of the store while this page is open" height=${140}
      value=${(v) => bytes(Math.round(v))}
      series=${[{ label: "used", token: "--accent", fill: true }]} />`}
  </${Panel}>`;
}

function Tables({ rows }) {
  const list = Object.entries(rows).sort(([a, n], [b, m]) => m - n
    || (a < b ? -1 : 1));

  return html`<${Panel} title="Rows of the tables" id="tables"><${Facts}
    rows=${list.map(([name, n]) => [name, count(n)])}
    /></${Panel}>`;
}

export default function System() {
  const load = useLoad((signal) => get("v1/system", {}, signal), []);
  const data = load.data?.data;
  const history = useHistory(data);

  useFeed(["figures"], () => load.reload());
  useInterval(() => load.reload(true), EVERY);

  return html`<${Heading} title="System" />
    ${load.error && html`<${Notice} kind="bad">${load.error}</${Notice}>`}
    ${data && html`<${Server} data=${data} />
      ${data.store?.contents && html`<${Store} store=${data.store}
        history=${history} />`}
      <${Commits} data=${data} history=${history} />
      <${Panel} title="Versions" id="versions"><${Facts}
        rows=${Object.entries(data.versions ?? {})} /></${Panel}>
      ${data.store?.contents && html`<${Tables}
        rows=${data.store.contents.rows} />`}`}`;
}
