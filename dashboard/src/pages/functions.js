// Functions: what starts them, what limits them, how they do.

import { html, useState } from "../../vendor/preact.js";
import { get, session } from "../api.js";
import { href, replaceArgs, useFeed, useInterval, useLoad } from "../hooks.js";
import { Cut, Empty, Field, Heading, Notice, Select, Tag }
  from "../parts/basic.js";
import { Spark } from "../parts/chart.js";
import { limits, triggers } from "../parts/function.js";
import { Status } from "../parts/status.js";
import { RowLink, Table } from "../parts/table.js";
import { Time, milliseconds } from "../parts/time.js";
import { FunctionPage } from "./function.js";

export const WINDOWS = [["15m", "15 minutes"], ["1h", "1 hour"],
  ["6h", "6 hours"], ["24h", "24 hours"]];

export const percent = (share) => share === undefined || share === null ? ""
  : share === 0 ? "0 %" : share < 0.001 ? "< 0.1 %"
    : `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;

export const rate = (n) => n === undefined ? ""
  : n === 0 ? "0" : n < 0.1 ? n.toFixed(2) : n < 10 ? n.toFixed(1)
    : String(Math.round(n));

const COLUMNS = [
  { name: "name", title: "Function", kind: "named",
    cell: (row) => html`<${RowLink}
      href=${href(["functions", row.id])}><${Cut} text=${row.name} />
      </${RowLink}><small class="dim under"><${Cut}
      text=${row.name === row.id ? row.app : `${row.app} · ${row.id}`} />
      </small>` },
  { name: "triggers", title: "Triggers and limits", cell: (row) => html`<span
    class="tags">${triggers(row.config).map(({ text, kind, title }) => html`
    <${Tag} key=${text} kind=${kind} title=${title}><${Cut} text=${text} />
    </${Tag}>`)}${limits(row.config).map(({ text, title }) => html`<${Tag}
    key=${title} kind="limit" title=${title}>${text}</${Tag}>`)}</span>` },
  { name: "state", title: "State", kind: "tight", cell: (row) => row.paused
    ? html`<${Status} status="paused" />`
    : row.next_run_at ? html`<span class="dim">next <${Time}
      at=${row.next_run_at} /></span>`
      : html`<span class="dim">active</span>` },
  { name: "rate", title: "Per minute", kind: "right num", cell: ({ f }) => f
    ? html`<span class="with-spark"><${Spark}
      values=${f.series.map((p) => p[1])} second=${f.series.map((p) => p[2])}
      label=${`${rate(f.per_minute)} runs a minute`} />${
      rate(f.per_minute)}</span>` : "" },
  { name: "failed", title: "Failed", kind: "right num", cell: ({ f }) => f
    && html`<span class=${f.failure_share > 0.1 ? "bad" : ""}>${
      percent(f.failure_share)}</span>` },
  { name: "p50", title: "p50 · p95", kind: "right num", cell: ({ f }) =>
    f?.p50_ms !== null && f?.p50_ms !== undefined
    && html`<span class="with-spark">${milliseconds(f.p50_ms)} <span
      class="dim">·</span> ${milliseconds(f.p95_ms)}</span>` },
];

const command = () => `# in the app's directory, with its SDK\n`
  + `INNGEST_DEV=${location.origin} node app.mjs\n`
  + "curl -X PUT http://localhost:3000/api/inngest";

// How complete the figures are, when they are not.
export function Sampled({ figures, error }) {
  if (error) {
    return html`<p class="dim">No figures: ${error}</p>`;
  }
  if (!figures || figures.complete) {
    return null;
  }
  return html`<p class="dim">The figures are those of the newest ${
    figures.sampled?.runs} runs, back to <${Time}
    at=${figures.sampled?.oldest} />.</p>`;
}

// The figures of the window, twice a minute and when asked.
export function useFigures(window) {
  const load = useLoad((signal) => get("v1/figures", { window }, signal),
    [window]);

  useInterval(load.reload, 10000);
  return { figures: load.data?.data, error: load.error, reload: load.reload };
}

function List({ args }) {
  const window = args.window ?? "1h";
  const [text, setText] = useState(args.find ?? "");
  const load = useLoad((signal) => get("v1/functions", {}, signal), []);
  const { figures, error } = useFigures(window);
  const all = load.data?.data?.filter((row) => !row.archived_at);

  useFeed(["apps"], () => load.reload());
  useInterval(load.reload, 15000);

  const set = (more) => replaceArgs("functions", { ...args, ...more });
  const found = new Map(figures?.functions?.map((f) => [f.function, f]));
  const rows = all?.filter((row) => (!args.app || row.app === args.app)
    && `${row.id} ${row.name}`.toLowerCase().includes(text.toLowerCase()))
    .map((row) => ({ ...row, f: found.get(row.id) }));
  const apps = [...new Set(all?.map((row) => row.app))].sort();

  return html`<${Heading} title="Functions" />
    <div class="filters" data-filter role="search"
      aria-label="Filter the functions">
      <${Field} label="Name" value=${text} type="search" wait=${100}
        change=${(value) => {
          setText(value);
          set({ find: value });
        }} />
      <${Select} label="App" value=${args.app} change=${(app) => set({ app })}
        options=${[["", "all"], ...apps.map((app) => [app])]} />
      <${Select} label="Figures of" value=${window} options=${WINDOWS}
        change=${(value) => set({ window: value })} />
    </div>
    ${load.error && html`<${Notice} kind="bad">${load.error}</${Notice}>`}
    ${rows?.length > 0 && html`<${Table} label="Functions"
      columns=${COLUMNS} rows=${rows} />
      <${Sampled} figures=${figures} error=${error} />`}
    ${rows?.length === 0 && (all.length > 0
      ? html`<${Empty} title="No function is like that" />`
      : html`<${Empty} title="No functions yet" command=${command()}>An app
        registers its functions when it starts, or when it is added
        ${session.read_only ? "" : html` on the page
        <a href="#/apps">Apps</a>`}.</${Empty}>`)}`;
}

export default function Functions({ names, args }) {
  return names.length > 0
    ? html`<${FunctionPage} slug=${names[0]} args=${args} />`
    : html`<${List} args=${args} />`;
}
