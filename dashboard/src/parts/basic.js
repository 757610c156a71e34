// The small parts that every page has.

import { html, useEffect, useRef, useState } from "../../vendor/preact.js";
import { Icon } from "./icon.js";
import { toast } from "./toast.js";

// kind: "main", "danger", "plain" or none.
export function Button({ kind, busy, children, type, icon, ...rest }) {
  return html`<button type=${type ?? "button"} ...${rest}
    class=${`button ${kind ?? ""} ${rest.class ?? ""}`}
    disabled=${busy || rest.disabled}
    aria-busy=${busy ? "true" : null}>${icon
      && html`<${Icon} name=${icon} />`}<span>${children}</span></button>`;
}

export function Notice({ kind, children, action }) {
  return html`<div class=${`notice ${kind ?? ""}`}
    role=${kind === "bad" ? "alert" : "status"}>
    <div>${children}</div>${action}</div>`;
}

// The heading of a page, with what can be done beside it.
export function Heading({ title, children, above }) {
  useEffect(() => {
    document.title = `${title} · nginx-durable`;
  }, [title]);

  return html`<div class="heading">
    <div class="title">${above}<h1 tabindex="-1">${title}</h1></div>
    ${children && html`<div class="actions">${children}</div>`}
  </div>`;
}

export function Panel({ title, children, actions, id, kind }) {
  return html`<section class=${`panel ${kind ?? ""}`}
    aria-labelledby=${title && id ? `${id}-title` : null}>
    ${title && html`<div class="bar"><h2 id=${id ? `${id}-title` : null}>
      ${title}</h2>${actions && html`<div class="actions">${actions}</div>`}
    </div>`}
    ${children}
  </section>`;
}

// Names and values: rows of [name, value]; empty ones are left out.
export function Facts({ rows }) {
  return html`<dl class="facts">${rows.filter((row) => row
    && ![null, undefined, false, ""].includes(row[1]))
    .map(([name, value]) => html`<div key=${name}><dt>${name}</dt>
      <dd>${value}</dd></div>`)}</dl>`;
}

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast("Copied.");
  } catch {
    toast("The browser does not let this page copy; select the text "
      + "instead.", "bad");
  }
}

export function Copy({ text, label }) {
  return html`<button type="button" class="tool copy" onClick=${(event) => {
    event.stopPropagation();
    copy(typeof text === "function" ? text() : text);
  }} title=${label ?? "Copy"} aria-label=${label ?? "Copy"}>
    <${Icon} name="copy" /></button>`;
}

// An id that can be copied.
export function Id({ id }) {
  return html`<span class="id"><code>${id}</code><${Copy} text=${id}
    label=${`Copy ${id}`} /></span>`;
}

// What to do when there is nothing: a sentence and a command.
export function Empty({ title, children, command }) {
  return html`<div class="empty"><h2>${title}</h2>
    ${children && html`<div>${children}</div>`}
    ${command && html`<div class="command"><pre tabindex="0"
      aria-label="Command"><code>${command}</code></pre>
      <${Copy} text=${command} label="Copy the command" /></div>`}
  </div>`;
}

// Where the server is, for commands.
export function server() {
  return location.origin;
}

export function Progress({ value, label }) {
  const share = Math.max(0, Math.min(1, value ?? 0));

  return html`<div class="progress" role="progressbar" aria-label=${label}
    aria-valuemin="0" aria-valuemax="100"
    aria-valuenow=${Math.floor(share * 100)}>
    <div style=${{ width: `${(share * 100).toFixed(1)}%` }}></div></div>`;
}

export function Tag({ children, kind, title }) {
  return html`<span class=${`tag ${kind ?? ""}`} title=${title}>${children
  }</span>`;
}

// A text that may be long: cut by the style, whole at the pointer.
export function Cut({ text, lines }) {
  return text ? html`<span class=${lines ? "cut lines" : "cut"}
    title=${text.length > 40 ? text.slice(0, 2000) : null}>${text
    }</span>` : null;
}

// Choices that are on or off; value is the list of those that are on.
export function Chips({ label, options, value, change }) {
  return html`<div class="chips" role="group" aria-label=${label}>
    ${options.map(([name, text]) => html`<button key=${name} type="button"
      class="chip" aria-pressed=${value.includes(name) ? "true" : "false"}
      onClick=${() => change(value.includes(name)
        ? value.filter((other) => other !== name)
        : [...value, name])}>${text ?? name}</button>`)}
  </div>`;
}

let fields = 0;

// A field with its label; change(value) is called when typing rests.
export function Field({ label, value, change, error, wait = 350, options,
  hint, wide, ...rest }) {
  const [text, setText] = useState(value ?? "");
  const id = useRef(null);
  const timer = useRef(0);
  const sent = useRef(value ?? "");

  id.current ??= `field-${++fields}`;

  useEffect(() => {
    if ((value ?? "") !== sent.current) {
      sent.current = value ?? "";
      setText(value ?? "");
    }
  }, [value]);
  useEffect(() => () => clearTimeout(timer.current), []);

  const send = (next) => {
    clearTimeout(timer.current);
    if (next !== sent.current) {
      sent.current = next;
      change(next);
    }
  };
  const typed = (event) => {
    const next = event.target.value;

    setText(next);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => send(next), wait);
  };

  return html`<div class=${wide ? "field wide" : "field"}>
    <label for=${id.current}>${label}</label>
    <input type="text" spellcheck=${false} autocomplete="off" ...${rest}
      id=${id.current} value=${text} onInput=${typed}
      onKeyDown=${(event) => event.key === "Enter" && send(text)}
      list=${options ? `${id.current}-list` : null}
      aria-invalid=${error ? "true" : null}
      aria-describedby=${error || hint ? `${id.current}-note` : null} />
    ${options && html`<datalist id=${`${id.current}-list`}>${options.map(
      (option) => html`<option key=${option} value=${option} />`)}
    </datalist>`}
    ${(error || hint) && html`<p id=${`${id.current}-note`}
      class=${error ? "note bad" : "note"} role=${error ? "alert" : null}>
      ${error ?? hint}</p>`}
  </div>`;
}

export function Select({ label, value, change, options }) {
  const id = useRef(null);

  id.current ??= `field-${++fields}`;

  return html`<div class="field"><label for=${id.current}>${label}</label>
    <select id=${id.current} value=${value ?? ""}
      onChange=${(event) => change(event.target.value)}>
      ${options.map(([name, text]) => html`<option key=${name} value=${name}
        selected=${name === (value ?? "")}>${text ?? name}</option>`)}
    </select></div>`;
}
