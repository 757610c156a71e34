// Short messages at the corner, read aloud.

import { html, useEffect, useState } from "../../vendor/preact.js";

const LIFE = 6000;

let list = [];
let ids = 0;
let changed = () => {};

function drop(id) {
  list = list.filter((item) => item.id !== id);
  changed(list);
}

// kind: "bad" or none; link: [href, text].
export function toast(text, kind, link) {
  const id = ++ids;

  list = [...list.slice(-3), { id, text, kind, link }];
  changed(list);
  setTimeout(() => drop(id), kind === "bad" ? 2 * LIFE : LIFE);
}

export function Toasts() {
  const [items, setItems] = useState(list);

  useEffect(() => {
    changed = setItems;
    setItems(list);
    return () => {
      changed = () => {};
    };
  }, []);

  return html`<div class="toasts" role="status" aria-live="polite">
    ${items.map(({ id, text, kind, link }) => html`<div key=${id}
      class=${`toast ${kind ?? ""}`}><span>${text}</span>
      ${link && html`<a href=${link[0]}>${link[1]}</a>`}
      <button type="button" class="tool" aria-label="Close"
        onClick=${() => drop(id)}>×</button></div>`)}
  </div>`;
}
