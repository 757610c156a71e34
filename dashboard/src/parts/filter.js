// Which runs: the fields of GET /v1/runs, kept in the address.

import { html, useState } from "../../vendor/preact.js";
import { get } from "../api.js";
import { useLoad } from "../hooks.js";
import { Chips, Field, Select } from "./basic.js";
import { STATUSES } from "./status.js";
import { clock, timeText } from "./time.js";

const NAMES = ["status", "app", "function", "event", "id", "q", "after",
  "before"];

const FIELDS = ["app", "function", "event", "id", "q"];

const SPANS = [["", "any time"], ["15m", "last 15 minutes"],
  ["1h", "last hour"], ["24h", "last day"], ["168h", "last week"],
  ["range", "from … to …"]];

// The arguments of an address that are filters.
export function filterOf(args) {
  return Object.fromEntries(NAMES.filter((name) => args[name])
    .map((name) => [name, args[name]]));
}

const ago = (span) => new Date(Date.now() - parseInt(span, 10)
  * (span.endsWith("m") ? 60000 : 3600000)).toISOString();

// A date and time of an input, of the clock that was chosen, as an instant,
// and back.
const toInstant = (text) => text ? new Date(clock.utc ? `${text}Z` : text)
  .toISOString() : "";

function toInput(instant) {
  const date = new Date(instant ?? "");

  if (Number.isNaN(date.getTime())) {
    return "";
  }
  return new Date(date.getTime() - (clock.utc ? 0
    : date.getTimezoneOffset() * 60000))
    .toISOString().slice(0, 19);
}

// From when and until when: { after, before }.
export function When({ value, change, label = "Started" }) {
  const [range, setRange] = useState(Boolean(value.before));
  const at = (name, label) => html`<div class="field" key=${name}><label
    for=${`when-${name}`}>${label}${clock.utc ? " (UTC)" : ""}</label>
    <input id=${`when-${name}`} type="datetime-local" step="1"
    value=${toInput(value[name])} onChange=${(event) => change({ ...value,
      [name]: toInstant(event.target.value) })} /></div>`;

  const choose = (span) => {
    setRange(span === "range");
    if (span !== "range") {
      change({ ...value, before: "", after: span ? ago(span) : "" });
    }
  };
  const options = value.after && !range
    ? [["since", `since ${timeText(value.after)}`], ...SPANS] : SPANS;

  return html`<${Select} label=${label} options=${options}
      value=${range ? "range" : value.after ? "since" : ""}
      change=${(span) => span !== "since" && choose(span)} />
    ${range && [at("after", "From"), at("before", "To")]}`;
}

// Which field an error of the server is of: it begins with its name.
export function fieldOf(list, filter) {
  const [, name] = /^(\w+)\b/.exec(list.error ?? "") ?? [];

  return list.status === 400 && filter[name] && FIELDS.includes(name) ? name
    : null;
}

// The names of functions and apps, when somebody comes to a field for them.
function useNames() {
  const [wanted, setWanted] = useState(false);
  const known = useLoad(async (signal) => wanted
    ? (await get("v1/functions", {}, signal)).data : [], [wanted]);

  return [known.data ?? [], () => setWanted(true)];
}

// errors: the sentence of a field.
export function FilterBar({ value, change, errors = {} }) {
  const [more, setMore] = useState(Boolean(value.q || value.id || value.app));
  const [known, want] = useNames();
  const set = (name) => (text) => change({ ...value, [name]: text.trim() });
  const functions = known.filter((fn) => !fn.archived_at
    && (!value.app || fn.app === value.app)).map((fn) => fn.id).sort();
  const apps = [...new Set(known.map((fn) => fn.app))]
    .filter(Boolean).sort();
  const statuses = (value.status ?? "").split(",").filter(Boolean);
  const any = Object.keys(value).length > 0;

  return html`<div role="search" aria-label="Filters">
    <div class="filters chips-row">
      <${Chips} label="Status" value=${statuses}
        options=${STATUSES.map((status) => [status])}
        change=${(list) => change({ ...value, status: list.join(",") })} />
      <span class="actions">
        <button type="button" class="more" aria-expanded=${more
          ? "true" : "false"} onClick=${() => setMore(!more)}>${more
          ? "Fewer filters" : "More filters"}</button>
        ${any && html`<button type="button" class="more"
          onClick=${() => change({})}>Clear</button>`}
      </span>
    </div>
    <div class="filters" onfocusin=${want}>
      <div class="grow" data-filter><${Field} label="Function"
        value=${value.function} options=${functions}
        change=${set("function")} error=${errors.function} /></div>
      <${Field} label="Event" value=${value.event} placeholder="shop/*"
        change=${set("event")} error=${errors.event} />
      <${When} value=${value} change=${change} />
      ${more && html`
        <${Field} label="App" value=${value.app} options=${apps}
          change=${set("app")} error=${errors.app} />
        <${Field} label="Id contains" value=${value.id}
          placeholder="of a run or an event" change=${set("id")}
          error=${errors.id} />
        <${Field} label="Expression" value=${value.q} change=${set("q")} wide
          placeholder=${"event.data.total > 100 && output.ok == true"}
          error=${errors.q} />`}
    </div>
  </div>`;
}
