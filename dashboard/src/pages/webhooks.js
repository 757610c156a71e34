// Webhooks: the routes, their deliveries with the last answers, and sending
// again, one or all that failed.

import { html, useState } from "../../vendor/preact.js";
import { del, get, part, post, session } from "../api.js";
import { href, replaceArgs, useAction, useFeed, useInterval, useLoad }
  from "../hooks.js";
import { Button, Chips, Cut, Empty, Facts, Heading, Notice, Panel, Tag }
  from "../parts/basic.js";
import { Confirm, Dialog } from "../parts/dialog.js";
import { Fresh } from "../parts/fresh.js";
import { usePages } from "../parts/pages.js";
import { STATUSES, Status, ended } from "../parts/status.js";
import { RowLink, Table } from "../parts/table.js";
import { Time, count } from "../parts/time.js";
import { toast } from "../parts/toast.js";

// ---- the routes

function state(row) {
  if (row.parked_at) {
    return html`<${Status} status="parked" text="target is away" />`;
  }
  return row.paused ? html`<${Status} status="paused" />`
    : html`<${Status} status="ok" text="open" />`;
}

const ROUTES = [
  { name: "connector", title: "Route", cell: (row) => html`<${RowLink}
    href=${href(["webhooks", row.connector])}>${row.connector}</${RowLink}>` },
  { name: "to", title: "Goes to", cell: (row) => row.forward
    ? html`<code><${Cut} text=${row.url} /></code>`
    : html`<a href=${href(["functions", row.function])}>${row.function
    }</a> <span class="dim">of ${row.app}</span>` },
  { name: "how", title: "How", cell: (row) => html`<span class="tags">
    <${Tag}>${row.forward ? "sent on" : "function"}</${Tag}>
    ${row.ordered && html`<${Tag}>in order</${Tag}>`}
    <${Tag}>${row.retries} retries</${Tag}></span>` },
  { name: "state", title: "State", kind: "tight", cell: state },
  { name: "error", title: "Error", cell: (row) => html`<${Cut}
    text=${row.error} />` },
];

const example = `location = /hooks/linear {
    durable_route   linear;
    durable_verify  linear file:/etc/nginx/secrets/linear;
    durable_forward http://127.0.0.1:3000/hooks/linear;
}`;

function Routes() {
  const load = useLoad((signal) => get("v1/routes", {}, signal), []);
  const rows = load.data?.data;

  useFeed(["apps"], () => load.reload());
  useInterval(load.reload, 5000);

  return html`<${Heading} title="Webhooks" />
    ${load.error && html`<${Notice} kind="bad">${load.error}</${Notice}>`}
    ${rows?.length > 0 && html`<${Table} label="Routes" columns=${ROUTES}
      rows=${rows} id=${(row) => `${row.connector} ${row.function}`} />`}
    ${rows?.length === 0 && html`<${Empty} title="No routes yet"
      command=${example}>A location of nginx.conf takes the webhooks of a
      provider. It is not here before somebody listens: a function, or a target
      to which they are sent on.</${Empty}>`}`;
}

// ---- one delivery

const ANSWERS = [
  { name: "at", title: "At", kind: "tight",
    cell: (row) => html`<${Time} at=${row.started_at} ms />` },
  { name: "outcome", title: "Outcome", kind: "tight",
    cell: (row) => html`<${Status} status=${row.outcome} />` },
  { name: "status", title: "HTTP", kind: "right num",
    cell: (row) => row.status || "" },
  { name: "answer", title: "Answer", cell: (row) => html`<code
    class="answer">${row.answer ?? row.error ?? ""}</code>` },
];

function Answers({ row, close }) {
  const load = useLoad((signal) => get(`v1/runs/${part(row.run_id)}/tree`, {},
    signal), [row.run_id]);
  const tree = load.data?.data;
  const attempts = tree && [...tree.steps.flatMap((step) => step.attempts
    ?? []), ...tree.attempts ?? []]
    .sort((a, b) => a.started_at < b.started_at ? -1 : 1)
    .map((attempt, i) => ({ ...attempt, n: i }));

  return html`<${Dialog} title="Answers to this delivery" close=${close} wide>
    ${load.error && html`<p class="bad" role="alert">${load.error}</p>`}
    ${attempts && (attempts.length > 0 ? html`<${Table} label="Answers"
      columns=${ANSWERS} rows=${attempts} id=${(a) => a.n} />`
      : html`<p class="dim">There was no answer yet.</p>`)}
    <div class="actions end"><span class="grow"><a href=${href(["runs",
      row.run_id])}>The run</a> · <a href=${href(["events",
      row.event_id])}>The event</a></span>
      <${Button} onClick=${close} autofocus>Close</${Button}></div>
  </${Dialog}>`;
}

function Again({ row, changed }) {
  const [busy, act] = useAction((error) => toast(error, "bad"));
  const send = () => act(async () => {
    const { data } = await post(`v1/deliveries/${part(row.run_id)}/redeliver`);

    toast("It is sent again.", "", data?.run_id
      && [href(["runs", data.run_id]), "The run"]);
    changed();
  });

  return !session.read_only && ended(row.status) && html`<${Button}
    icon="again" busy=${busy} onClick=${send}
    aria-label=${`Redeliver ${row.delivery_id ?? row.run_id}`}>Redeliver
    </${Button}>`;
}

const columns = (look, changed) => [
  { name: "at", title: "Received", kind: "tight", cell: (row) => html`
    <${RowLink} href=${href(["runs", row.run_id])}><${Time}
    at=${row.received_at} ms /></${RowLink}>` },
  { name: "status", title: "Status", kind: "tight",
    cell: (row) => html`<${Status} status=${row.status} />${
      row.redelivered && html` <${Tag}>sent again</${Tag}>`}${
      row.original_run_id && html` <a href=${href(["runs",
        row.original_run_id])}><${Tag}>again</${Tag}></a>`}` },
  { name: "delivery", title: "Delivery", cell: (row) => html`<code><${Cut}
    text=${row.delivery_id ?? row.event_id} /></code>` },
  { name: "answer", title: "Last answer", cell: (row) => html`<span
    class=${row.http_status >= 400 || row.error ? "bad" : ""}>${
    row.http_status ? `HTTP ${row.http_status}` : ""}</span> <${Cut}
    text=${row.error} />` },
  { name: "attempts", title: "Attempts", kind: "right num",
    cell: (row) => html`<button type="button" class="more"
      aria-label=${`${row.attempts} attempts: show the answers`}
      onClick=${() => look(row)}>${count(row.attempts)}</button>` },
  { name: "again", title: "", label: "Again", kind: "right",
    cell: (row) => html`<${Again} row=${row} changed=${changed} />` },
];

// ---- all that failed

function Job({ job, changed }) {
  const [busy, act] = useAction((error) => toast(error, "bad"));
  const stop = () => act(async () => {
    await del(`v1/redeliveries/${part(job.id)}`);
    changed();
  });

  return html`<div class="redelivery" data-job=${job.id}>
    <span role="status"><${Status} status=${job.done ? "done" : "running"}
      text=${job.done ? "done" : "sending again"} />
      ${" "}${count(job.redelivered)} sent again${job.refused
        ? `, ${count(job.refused)} refused` : ""}; looked at ${
        count(job.scanned)} runs. <span class="dim"><${Time}
        at=${job.created_at} ago /></span></span>
    ${!job.done && html`<div class="progress moving" role="progressbar"
      aria-label="Sending again"><div></div></div>`}
    ${!job.done && !session.read_only && html`<${Button} icon="stop"
      busy=${busy} onClick=${stop}>Stop</${Button}>`}
  </div>`;
}

function Jobs({ connector, jobs }) {
  const rows = jobs.data?.data?.filter((job) => job.connector === connector)
    .slice(0, 5);
  const open = rows?.some((job) => !job.done);

  useInterval(jobs.reload, open ? 500 : 10000);

  return rows?.length > 0 && html`<${Panel} title="Sent again" id="jobs">
    ${rows.map((job) => html`<${Job} key=${job.id} job=${job}
      changed=${() => jobs.reload(true)} />`)}</${Panel}>`;
}

function AllAgain({ connector, changed }) {
  const [asked, setAsked] = useState(false);
  const [error, setError] = useState(null);
  const [busy, act] = useAction(setError);
  const close = () => {
    setAsked(false);
    setError(null);
  };
  const accept = () => act(async () => {
    await post(`v1/routes/${part(connector)}/redeliver`,
      { status: "Failed" });
    close();
    changed();
  });

  return !session.read_only && html`<${Button} kind="main" icon="again"
      onClick=${() => setAsked(true)}>Redeliver failed</${Button}>
    ${asked && html`<${Confirm} title="Send again all that failed?"
      action="Redeliver" busy=${busy} error=${error} accept=${accept}
      close=${close}><p>Each delivery that failed and was not sent again yet
      is sent once more, from the oldest on, in the order they came in.</p>
      </${Confirm}>`}`;
}

// ---- a route

function Deliveries({ connector, status, jobs }) {
  const [looked, setLooked] = useState(null);
  const list = usePages((cursor, signal) => get(
    `v1/routes/${part(connector)}/deliveries`, { status, limit: 50, cursor },
    signal), (row) => row.run_id, [connector, status]);

  useFeed(["runs"], (batch, missed) => (missed || batch.length > 0)
    && list.refresh());
  useInterval(list.refresh, 5000);

  const changed = () => {
    list.refresh();
    jobs.reload(true);
  };

  return html`<${Fresh} list=${list} />
    ${list.error && html`<${Notice} kind="bad">${list.error}</${Notice}>`}
    ${list.rows.length > 0 && html`<${Table} label="Deliveries"
      columns=${columns(setLooked, changed)} rows=${list.rows}
      id=${(row) => row.run_id} />`}
    ${list.rows.length === 0 && list.done && !list.error && html`<${Empty}
      title=${status ? "No delivery is like that" : "Nothing came yet"}
      command=${status ? null : `curl -i ${location.origin}/hooks/${connector
      } -d '{"hello": 1}'`}>${status ? "" : "A request to the location of the "
        + "route, wherever nginx.conf has it:"}</${Empty}>`}
    <${list.Foot} what="runs" />
    ${looked && html`<${Answers} row=${looked}
      close=${() => setLooked(null)} />`}`;
}

function Route({ connector, args }) {
  const load = useLoad((signal) => get("v1/routes", {}, signal), []);
  const jobs = useLoad((signal) => get("v1/redeliveries", {}, signal), []);
  const routes = load.data?.data?.filter((r) => r.connector === connector);
  const statuses = (args.status ?? "").split(",").filter(Boolean);

  useFeed(["apps"], () => load.reload());
  useInterval(load.reload, 5000);

  return html`<${Heading} title=${connector} above=${html`<a class="above"
      href="#/webhooks">Webhooks</a>`}>
      <${AllAgain} connector=${connector}
        changed=${() => jobs.reload(true)} />
    </${Heading}>
    ${routes?.length === 0 && html`<${Notice}>This route is not there any
      more; what it has received still is.</${Notice}>`}
    ${routes?.map((row) => html`<${Facts} key=${row.function} rows=${[
      ["Goes to", row.forward ? html`<code>${row.url}</code>`
        : html`<a href=${href(["functions", row.function])}>${
          row.function}</a>`],
      ["State", state(row)],
      ["Error", row.error],
      ["Away since", row.parked_at && html`<${Time} at=${row.parked_at}
        ago />`],
      ["Order", row.ordered ? "one after the other" : "as they come"],
      ["Retries", row.retries],
    ]} />`)}
    <${Jobs} connector=${connector} jobs=${jobs} />
    <div class="filters"><${Chips} label="Status" value=${statuses}
      options=${STATUSES.map((status) => [status])}
      change=${(list) => replaceArgs(["webhooks", connector],
        { ...args, status: list.join(",") })} /></div>
    <${Deliveries} connector=${connector} status=${args.status}
      jobs=${jobs} />`;
}

export default function Webhooks({ names, args }) {
  return names.length > 0
    ? html`<${Route} connector=${names[0]} args=${args} />`
    : html`<${Routes} />`;
}
