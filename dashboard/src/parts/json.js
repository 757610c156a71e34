// JSON as a tree that opens piece by piece: what is closed is not in the
// page, long texts and lists are cut, and everything is text.

import { html, useState } from "../../vendor/preact.js";
import { get, parse } from "../api.js";
import { sentenceOf } from "../hooks.js";
import { Button, Copy } from "./basic.js";
import { bytes } from "./time.js";

const CHILDREN = 100;
const TEXT = 400;

const isRaw = (value) => typeof value === "object" && value !== null
  && JSON.isRawJSON?.(value) === true;

const isBranch = (value) => typeof value === "object" && value !== null
  && !isRaw(value);

function Text({ value }) {
  const [whole, setWhole] = useState(false);
  const cut = !whole && value.length > TEXT;

  return html`<span class="j-text">"${cut ? value.slice(0, TEXT) : value}${
    cut ? html`…` : "\""}</span>${cut && html` <button type="button"
    class="more" onClick=${() => setWhole(true)}>all ${value.length
    } characters</button>`}`;
}

function Leaf({ value }) {
  if (typeof value === "string") {
    return html`<${Text} value=${value} />`;
  }
  if (isRaw(value)) {
    return html`<span class="j-number">${value.rawJSON}</span>`;
  }
  if (typeof value === "number") {
    return html`<span class="j-number">${String(value)}</span>`;
  }
  return html`<span class="j-word">${String(value)}</span>`;
}

function summary(value) {
  if (Array.isArray(value)) {
    return value.length === 1 ? "[ 1 item ]" : `[ ${value.length} items ]`;
  }
  const names = Object.keys(value);
  const text = names.slice(0, 4).map((name) => name.slice(0, 24)).join(", ");

  return `{ ${text}${names.length > 4 ? ", …" : ""} }`;
}

function Branch({ name, value, depth, open }) {
  const [shown, setShown] = useState(open > depth);
  const [limit, setLimit] = useState(CHILDREN);
  const list = Array.isArray(value);
  const names = shown ? Object.keys(value) : [];
  const empty = (list ? value.length : Object.keys(value).length) === 0;

  if (empty) {
    return html`<div class="j-line">${name}<span class="j-mark">${list
      ? "[]" : "{}"}</span></div>`;
  }

  return html`<div class="j-branch">
    <button type="button" class="j-open" aria-expanded=${shown
      ? "true" : "false"} onClick=${() => setShown(!shown)}>
      <span class="j-arrow" aria-hidden="true">${shown ? "▾" : "▸"}</span>${
      name}<span class="j-mark">${shown ? (list ? "[" : "{")
        : summary(value)}</span></button>
    ${shown && html`<div class="j-children">${names.slice(0, limit).map(
      (key) => html`<${Node} key=${key} name=${list ? null : key}
        value=${value[key]} depth=${depth + 1} open=${open} />`)}
      ${names.length > limit && html`<button type="button" class="more"
        onClick=${() => setLimit(limit * 10)}>${names.length - limit
        } more</button>`}</div>
    <div class="j-line j-mark">${list ? "]" : "}"}</div>`}
  </div>`;
}

function Node({ name, value, depth, open }) {
  const label = name === null ? null
    : html`<span class="j-name">${name}</span><span class="j-mark">: </span>`;

  if (isBranch(value)) {
    return html`<${Branch} name=${label} value=${value} depth=${depth}
      open=${open} />`;
  }
  return html`<div class="j-line">${label}<${Leaf} value=${value} /></div>`;
}

export function pretty(value) {
  return JSON.stringify(value, null, 2) ?? "";
}

// <Json value=.. label="Input" open=${2} />: so many levels are open.
export function Json({ value, label, open = 2 }) {
  if (value === undefined) {
    return null;
  }
  return html`<div class="json" role="group" aria-label=${label}>
    <${Copy} text=${() => pretty(value)}
      label=${`Copy ${label ?? "JSON"}`.toLowerCase()
        .replace("copy", "Copy")} />
    <${Node} name=${null} value=${value} depth=${0} open=${open} />
  </div>`;
}

// A value that was too large to be sent along: `link` has it, `pick` takes it
// out of the answer.
export function LargeJson({ value, size, link, pick, label, open }) {
  const [loaded, setLoaded] = useState({});

  if (value !== null || !size) {
    return html`<${Json} value=${value} label=${label} open=${open} />`;
  }
  if ("value" in loaded) {
    return html`<${Json} value=${loaded.value} label=${label} open=${open} />`;
  }
  const load = async () => {
    setLoaded({ busy: true });
    try {
      const { data } = await get(link.replace(/^\//, ""));
      setLoaded({ value: pick ? pick(data) : data });
    } catch (error) {
      setLoaded({ error: sentenceOf(error) });
    }
  };

  return html`<div class="large">
    <${Button} onClick=${load} busy=${loaded.busy}>Load ${bytes(size)
    }</${Button}>
    ${loaded.error && html`<p class="bad" role="alert">${loaded.error}</p>`}
  </div>`;
}

// ---- the editor

// Where in the text a mistake is, by what the browser says of it: engines say
// a position, a line and a column, or neither.
export function check(text) {
  try {
    return { value: parse(text) };
  } catch (error) {
    const at = /position (\d+)/.exec(error.message);
    const place = /line (\d+) column (\d+)/.exec(error.message);
    const before = at ? text.slice(0, Number(at[1])).split("\n")
      : /end of|unterminated/i.test(error.message) ? text.split("\n") : null;
    const [line, column] = place ? [place[1], place[2]]
      : before ? [before.length, before.at(-1).length + 1] : [];
    const what = error.message.replace(/^JSON\.parse: /, "")
      .replace(/ (in JSON )?at (position|line) \d+.*$/, "")
      .replace(/ of the JSON data$/, "");

    return { error: line ? `Line ${line}, column ${column}: ${what}.`
      : `This is no JSON: ${what}.`, line: Number(line),
    column: Number(column) };
  }
}

// <JsonEditor label=.. text=.. change=${(text, checked) => ..} />
export function JsonEditor({ label, text, change, rows = 12, id = "editor",
  error }) {
  const checked = check(text);
  const problem = error ?? checked.error;

  const keys = (event) => {
    if (event.key === "f" && event.altKey && !checked.error) {
      event.preventDefault();
      change(pretty(checked.value), checked);
    }
  };

  return html`<div class="field editor">
    <div class="bar"><label for=${id}>${label}</label>
      <button type="button" class="more" disabled=${Boolean(checked.error)}
        onClick=${() => change(pretty(checked.value), checked)}
        title="Alt+F">Format</button></div>
    <textarea id=${id} rows=${rows} spellcheck=${false} value=${text}
      autocapitalize="off" autocomplete="off" wrap="off" onKeyDown=${keys}
      aria-invalid=${problem ? "true" : null} aria-describedby=${`${id}-note`}
      onInput=${(event) => change(event.target.value,
        check(event.target.value))}></textarea>
    <p class=${problem ? "note bad" : "note"} id=${`${id}-note`}
      aria-live="polite">${problem ?? "Valid JSON."}</p>
  </div>`;
}
