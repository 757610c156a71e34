// Tabs: arrows go from one to the next.

import { html } from "../../vendor/preact.js";

// tabs: [name, title]; what they show has the id "tab-panel".
export function Tabs({ label, tabs, value, change }) {
  const keys = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];

    if (step) {
      const i = tabs.findIndex(([name]) => name === value);
      const [next] = tabs[(i + step + tabs.length) % tabs.length];

      event.preventDefault();
      change(next);
      document.getElementById(`tab-${next}`).focus();
    }
  };

  return html`<div class="tabs" role="tablist" aria-label=${label}
    onKeyDown=${keys}>${tabs.map(([name, title]) => html`<button key=${name}
    type="button" role="tab" id=${`tab-${name}`} aria-selected=${
    name === value ? "true" : "false"} aria-controls="tab-panel"
    tabindex=${name === value ? "0" : "-1"} onClick=${() => change(name)}
    >${title}</button>`)}</div>`;
}
