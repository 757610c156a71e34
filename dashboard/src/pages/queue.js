// What waits, app by app and function by function, and what holds it.

import { html, useRef } from "../../vendor/preact.js";
import { get, part } from "../api.js";
import { href, useFeed, useInterval, useLoad } from "../hooks.js";
import { Cut, Empty, Heading, Notice, Panel, Tag } from "../parts/basic.js";
import { Stat, Stats } from "../parts/chart.js";
import { limits, mayWait } from "../parts/function.js";
import { Status } from "../parts/status.js";
import { RowLink, Table } from "../parts/table.js";
import { Time, count } from "../parts/time.js";
import { KeyTable } from "./function.js";

const LOOKED_AT = 12;

const least = (row, n) => `${count(n)}${row.at_least ? "+" : ""}`;

const APPS = [
  { name: "app", title: "App", cell: (row) => html`<${Cut}
    text=${row.app} />` },
  { name: "state", title: "State", kind: "tight", cell: (row) =>
    row.parked_at ? html`<${Status} status="parked"
      text="does not answer" />`
      : row.held_until ? html`<span>held until <${Time}
        at=${row.held_until} /></span>`
        : row.leased >= row.max_calls
          ? html`<${Status} status="running" text="full" />`
          : html`<span class="dim">takes calls</span>` },
  { name: "ready", title: "Ready", kind: "right num",
    cell: (row) => least(row, row.ready) },
  { name: "oldest", title: "Oldest", kind: "tight", cell: (row) =>
    html`<${Time} at=${row.oldest_ready_at} ago />` },
  { name: "calls", title: "Calls out", kind: "right num",
    cell: (row) => `${count(row.leased)} of ${count(row.max_calls)}` },
  { name: "functions", title: "Functions", cell: (row) => html`<span
    class="tags">${row.functions.map((fn) => html`<a key=${fn.function}
      href=${href(["functions", fn.function])}><${Tag}
      kind=${fn.paused ? "warn" : ""}>${fn.function} ${least(fn, fn.ready
        + fn.leased)}${fn.paused ? " paused" : ""}</${Tag}></a>`)}</span>` },
];

const FUNCTIONS = [
  { name: "function", title: "Function", cell: (row) => html`<${RowLink}
    href=${href(["functions", row.function])}><${Cut} text=${row.function} />
    </${RowLink}>` },
  { name: "limits", title: "Limits", cell: (row) => html`<span
    class="tags">${limits(row.config).map(({ text, title }) => html`<${Tag}
    key=${title} title=${title}>${text}</${Tag}>`)}</span>` },
  { name: "blocked", title: "Held by limits", kind: "right num",
    cell: (row) => count(row.blocked) },
  { name: "ready", title: "Ready", kind: "right num",
    cell: (row) => least(row, row.ready) },
  { name: "leased", title: "Calls out", kind: "right num",
    cell: (row) => least(row, row.leased) },
];

// The queue, and of functions with limits what they hold.
async function queue(signal) {
  const [{ data }, functions] = await Promise.all([
    get("v1/queue", { limit: 51 }, signal),
    get("v1/functions", {}, signal)]);
  const some = functions.data.filter((fn) => !fn.archived_at
    && mayWait(fn.config)).slice(0, data.blocked > 0 ? LOOKED_AT : 0);
  const held = await Promise.all(some.map(async (fn) => {
    const one = await get(`v1/functions/${part(fn.id)}/queue`, {}, signal);

    return { ...one.data, config: fn.config };
  }));

  return { ...data, held: held.filter((fn) => fn.blocked > 0)
    .sort((a, b) => b.blocked - a.blocked) };
}

const oldest = (apps) => apps.map((app) => app.oldest_ready_at)
  .filter(Boolean).sort()[0];

export default function Queue() {
  const load = useLoad(queue, []);
  const before = useRef("");
  const q = load.data;

  useFeed(["apps", "figures"], (batch, missed) => {
    const { runs_live, leases } = batch.at(-1) ?? {};
    const now = `${runs_live} ${leases}`;

    if (missed || now !== before.current) {
      load.reload();
    }
    before.current = now;
  });
  useInterval(load.reload, 5000);

  const apps = q?.apps.filter((app) => app.ready || app.leased
    || app.parked_at || app.held_until);

  return html`<${Heading} title="Queue" />
    ${load.error && html`<${Notice} kind="bad">${load.error}</${Notice}>`}
    ${q && html`<${Stats} label="All of it">
      <${Stat} name="Ready" value=${count(q.ready)} note=${oldest(q.apps)
        && html`oldest <${Time} at=${oldest(q.apps)} ago />`} />
      <${Stat} name="Calls out" value=${count(q.leased)} />
      <${Stat} name="Held by limits" value=${count(q.blocked)} />
      <${Stat} name="Wait for a time" value=${least(q.timers, q.timers.all)}
        note=${`${count(q.timers.within_a_minute)} within a minute`} />
    </${Stats}>
    ${apps.length > 0 && html`<${Panel} title="Apps" id="apps" kind="flush">
      <${Table} label="Apps" columns=${APPS} rows=${apps}
        id=${(row) => row.app} /></${Panel}>`}
    ${q.held.length > 0 && html`<${Panel} title="Held by limits" id="held"
      kind="flush"><${Table} label="Functions whose limits hold runs"
        columns=${FUNCTIONS} rows=${q.held} id=${(row) => row.function} />
      </${Panel}>`}
    ${q.held.filter((fn) => fn.keys?.length > 0).map((fn) => html`<${Panel}
      key=${fn.function} title=${`Keys of ${fn.function}`} kind="flush"
      id=${`keys-${fn.function}`}><${KeyTable} keys=${fn.keys} /></${Panel}>`)}
    ${apps.length === 0 && q.held.length === 0 && html`<${Empty}
      title="Nothing waits for a call">${q.timers.all > 0
        ? `${count(q.timers.all)} runs sleep, or wait for an event or a retry.`
        : "All runs have ended, or wait for nothing."}</${Empty}>`}`}`;
}
