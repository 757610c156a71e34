// The keyboard: arrows (or j and k) go through the rows, / goes to the filter,
// ? shows the keys, g and a letter go to a page.

import { html, useEffect, useState } from "../../vendor/preact.js";
import { Dialog } from "./dialog.js";

const PAGES = { r: "runs", e: "events", f: "functions", a: "apps",
  w: "webhooks", q: "queue", j: "bulk", s: "system" };

const KEYS = [
  ["↓ ↑ or j k", "next and previous row"],
  ["Enter", "open the row"],
  ["Home End", "first and last row"],
  ["/", "to the filter"],
  ["Escape", "out of a field; close"],
  ["g and r, e, f, a, w, q, j, s", "Runs, Events, Functions, Apps, Webhooks, "
    + "Queue, Jobs, System"],
  ["?", "this list"],
];

function rows() {
  return [...document.querySelectorAll("#main [data-row]")]
    .filter((row) => row.offsetParent !== null);
}

function move(step) {
  const all = rows();
  const current = document.activeElement?.closest?.("tr,[data-item]");
  let at = all.findIndex((row) => row === document.activeElement
    || (current && current.contains(row)));

  if (all.length === 0) {
    return false;
  }
  if (step === "first" || step === "last") {
    at = step === "first" ? 0 : all.length - 1;
  } else {
    at = at < 0 ? 0 : Math.max(0, Math.min(all.length - 1, at + step));
  }
  all[at].focus();
  all[at].scrollIntoView({ block: "nearest" });
  return true;
}

const inRow = () => document.activeElement?.matches?.("[data-row]")
  || document.activeElement === document.body
  || document.activeElement?.matches?.("h1");

const ACTIONS = {
  ArrowDown: () => inRow() && move(1),
  ArrowUp: () => inRow() && move(-1),
  j: () => move(1),
  k: () => move(-1),
  Home: () => inRow() && move("first"),
  End: () => inRow() && move("last"),
  "/": () => {
    const field = document.querySelector("#main [data-filter] input");

    field?.focus();
    field?.select();
    return Boolean(field);
  },
};

export function Keys() {
  const [shown, setShown] = useState(false);

  useEffect(() => {
    let prefix = 0;

    const pressed = (event) => {
      const { key, target } = event;
      const typing = target.matches?.("input,textarea,select");

      if (event.defaultPrevented || event.ctrlKey || event.metaKey
          || event.altKey || document.querySelector("dialog[open]")) {
        return;
      }
      if (typing) {
        if (key === "Escape") {
          target.blur();
        }
        return;
      }
      if (prefix && performance.now() - prefix < 1500 && PAGES[key]) {
        prefix = 0;
        location.hash = `#/${PAGES[key]}`;
        event.preventDefault();
        return;
      }
      prefix = key === "g" ? performance.now() : 0;

      if (key === "?") {
        setShown(true);
        event.preventDefault();
      } else if (ACTIONS[key]?.()) {
        event.preventDefault();
      }
    };

    document.addEventListener("keydown", pressed);
    return () => document.removeEventListener("keydown", pressed);
  }, []);

  return shown && html`<${Dialog} title="Keys"
    close=${() => setShown(false)}>
    <dl class="facts keys">${KEYS.map(([key, what]) => html`<div key=${key}>
      <dt><kbd>${key}</kbd></dt><dd>${what}</dd></div>`)}</dl>
  </${Dialog}>`;
}
