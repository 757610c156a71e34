// Apps: where they are, how their last registration went, whether they answer.

import { html, useState } from "../../vendor/preact.js";
import { del, get, part, post, session } from "../api.js";
import { href, useAction, useFeed, useInterval, useLoad } from "../hooks.js";
import { Button, Cut, Empty, Facts, Heading, Notice, Tag }
  from "../parts/basic.js";
import { Confirm, Dialog } from "../parts/dialog.js";
import { Status } from "../parts/status.js";
import { Time } from "../parts/time.js";
import { toast } from "../parts/toast.js";

// Those of nginx.conf come and go with it.
const configured = (app) => Boolean(app.forward || app.sdk === "nginx"
  || app.configured);

// What a person may read of the name.
const NAMES = { "nginx://functions": "workflows of nginx.conf" };

function Add({ close, changed }) {
  const [url, setUrl] = useState("http://localhost:3000/api/inngest");
  const [error, setError] = useState(null);
  const [busy, act] = useAction(setError);

  const add = (event) => {
    event.preventDefault();
    act(async () => {
      await post("v1/apps", { url: url.trim() });
      toast("The app is asked to register.");
      close();
      changed();
    });
  };

  return html`<${Dialog} title="Add an app" close=${close}>
    <form onSubmit=${add}>
      <div class="field"><label for="app-url">URL of its endpoint</label>
        <input id="app-url" type="url" required value=${url}
          spellcheck=${false} autofocus aria-invalid=${error ? "true" : null}
          aria-describedby="app-url-note"
          onInput=${(event) => setUrl(event.target.value)} />
        <p class=${error ? "note bad" : "note"} id="app-url-note"
          role=${error ? "alert" : null}>${error
          ?? "The server asks it to register its functions."}</p></div>
      <div class="actions end"><${Button} onClick=${close}>Back</${Button}>
        <${Button} kind="main" type="submit" icon="plus"
          busy=${busy}>Add</${Button}></div>
    </form>
  </${Dialog}>`;
}

function Remove({ app, close, changed }) {
  const [error, setError] = useState(null);
  const [busy, act] = useAction(setError);
  const accept = () => act(async () => {
    await del(`v1/apps/${part(app.name)}`);
    toast("The app was removed.");
    close();
    changed();
  });

  return html`<${Confirm} title=${`Remove ${app.name}?`} danger busy=${busy}
    action="Remove the app" error=${error} accept=${accept} close=${close}>
    <p>Its ${app.functions === 1 ? "function starts" : `${app.functions
      } functions start`} nothing any more. Runs that are under way go on. It
      is there again when it registers.</p></${Confirm}>`;
}

const sentence = (text) => `${text.charAt(0).toUpperCase()}${
  text.slice(1)}.`;

function state(app) {
  if (app.state === "syncing" || app.syncing) {
    return html`<${Status} status="syncing" />`;
  }
  if (app.error) {
    return html`<${Status} status="error" text="not synced" />`;
  }
  if (app.parked_at) {
    return html`<${Status} status="parked" text="does not answer" />`;
  }
  return app.registered ? html`<${Status} status="synced" />`
    : html`<${Status} status="planned" text="not registered" />`;
}

function App({ app, changed }) {
  const [asked, setAsked] = useState(false);
  const [busy, act] = useAction((error) => toast(error, "bad"));
  const own = configured(app);
  const title = NAMES[app.name] ?? app.name;

  const resync = () => act(async () => {
    await post(`v1/apps/${part(app.name)}/sync`);
    toast("The app is asked to register.");
    changed();
  });

  return html`<section class="panel app" data-item data-app=${app.name}
      aria-label=${title}>
    <div class="bar"><h2><a data-row href=${href("functions",
      { app: app.name })}><${Cut} text=${title} /></a></h2>
      <div class="actions">${state(app)}
        ${!session.read_only && !own && html`
          <${Button} icon="again" busy=${busy} aria-label=${`Sync ${title}`}
            onClick=${resync}>Sync</${Button}>
          <${Button} icon="failed" aria-label=${`Remove ${title}`}
            onClick=${() => setAsked(true)}>Remove</${Button}>`}</div></div>
    ${app.error && html`<${Notice} kind="bad">${app.error}</${Notice}>`}
    ${app.parked_at && html`<${Notice} kind="warn">
      It has not answered since${" "}<${Time} at=${app.parked_at} />; its runs
      wait.${" "}
      ${app.parked_error && `${sentence(app.parked_error)} `}${app.probe_at
        && html`It is tried again at <${Time} at=${app.probe_at} />.`}
      </${Notice}>`}
    <${Facts} rows=${[
      ["URL", html`<code>${app.url}</code>`],
      ["Functions", html`<a href=${href("functions", { app: app.name })}>${
        app.functions}</a>`],
      ["SDK", own ? html`<${Tag}>nginx.conf</${Tag}>`
        : [app.sdk, app.framework].filter(Boolean).join(", ")],
      ["Version of the app", app.version],
      ["Synced", app.synced_at && html`<${Time} at=${app.synced_at} ago
        focus />`],
    ]} />
    ${asked && html`<${Remove} app=${app} changed=${changed}
      close=${() => setAsked(false)} />`}
  </section>`;
}

// The apps, with what the queue knows of those that do not answer.
async function apps(signal) {
  const [list, queue] = await Promise.all([get("v1/apps", {}, signal),
    get("v1/queue", { limit: 51 }, signal)]);
  const found = new Map(queue.data.apps.map((app) => [app.app, app]));

  return list.data.map((app) => {
    const { parked_at, probe_at, error } = found.get(app.name) ?? {};

    return { parked_at, probe_at, parked_error: error, ...app };
  }).sort((a, b) => configured(a) - configured(b)
    || (a.name < b.name ? -1 : 1));
}

const command = () => `INNGEST_DEV=${location.origin} node app.mjs\n`
  + "curl -X PUT http://localhost:3000/api/inngest";

export default function Apps() {
  const [adding, setAdding] = useState(false);
  const load = useLoad(apps, []);
  const rows = load.data;

  useFeed(["apps"], () => load.reload(true));
  useInterval(load.reload, 5000);

  // What nginx.conf has without functions is the target of a workflow.
  const shown = rows?.filter((app) => !app.forward || app.functions > 0
    || app.parked_at);

  return html`<${Heading} title="Apps">
      ${!session.read_only && html`<${Button} kind="main" icon="plus"
        onClick=${() => setAdding(true)}>Add an app</${Button}>`}
    </${Heading}>
    ${load.error && html`<${Notice} kind="bad">${load.error}</${Notice}>`}
    ${shown?.map((app) => html`<${App} key=${app.id} app=${app}
      changed=${() => load.reload(true)} />`)}
    ${shown && !shown.some((app) => !configured(app))
      && html`<${Empty} title="No app yet" command=${command()}>An app
        registers when it starts and knows where this server is; or add it here
        by its URL.</${Empty}>`}
    ${adding && html`<${Add} close=${() => setAdding(false)}
      changed=${() => load.reload(true)} />`}`;
}
