// A modal dialog, and the question before something that cannot be undone.

import { html, useEffect, useRef } from "../../vendor/preact.js";
import { Button } from "./basic.js";

// close() is called for Escape as well; wide=${true} for editors.
export function Dialog({ title, close, children, wide }) {
  const dialog = useRef(null);

  useEffect(() => {
    const before = document.activeElement;

    dialog.current.showModal();
    return () => before?.isConnected && before.focus();
  }, []);

  return html`<dialog ref=${dialog} class=${wide ? "wide" : ""}
    aria-labelledby="dialog-title" onCancel=${(event) => {
      event.preventDefault();
      close();
    }} onClick=${(event) => event.target === dialog.current && close()}>
    <div class="inside"><h2 id="dialog-title">${title}</h2>${children}</div>
  </dialog>`;
}

// <Confirm title="Cancel 12 runs?" action="Cancel the runs" busy=.. error=..
//   accept=.. close=..>What will happen.</Confirm>
export function Confirm({ title, action, accept, close, busy, error, danger,
  children, disabled }) {
  return html`<${Dialog} title=${title} close=${close}>
    <div>${children}</div>
    ${error && html`<p class="bad" role="alert">${error}</p>`}
    <div class="actions end">
      <${Button} onClick=${close}>Back</${Button}>
      <${Button} kind=${danger ? "danger" : "main"} busy=${busy}
        disabled=${disabled} onClick=${accept} autofocus>${action}</${Button}>
    </div>
  </${Dialog}>`;
}
