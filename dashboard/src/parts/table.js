// A list of rows.  Columns are { name, title, cell(row), kind, label }; the
// row's link (a[data-row]) takes the focus of the keyboard, a click anywhere
// in a row follows it.  On a phone each row is a card.

import { html } from "../../vendor/preact.js";

// The link of a row: <RowLink href=..>name</RowLink>
export function RowLink({ href, children, ...rest }) {
  return html`<a data-row href=${href} ...${rest}>${children}</a>`;
}

function clicked(event) {
  if (event.defaultPrevented || event.button !== 0 || event.ctrlKey
      || event.metaKey || event.shiftKey
      || event.target.closest("a,button,input,label,select,summary")
      || String(getSelection()) !== "") {
    return;
  }
  event.currentTarget.querySelector("a[data-row]")?.click();
}

export function Table({ label, columns, rows, id, fresh, kind }) {
  const key = id ?? ((row) => row.id);

  return html`<div class=${`scroll ${kind ?? ""}`}>
    <table class="rows" role="table" aria-label=${label}>
    <thead role="rowgroup"><tr role="row">${columns.map((column) => html`
      <th key=${column.name} scope="col" role="columnheader"
        class=${column.kind}>${column.title}</th>`)}</tr></thead>
    <tbody role="rowgroup">${rows.map((row) => html`<tr key=${key(row)}
      role="row" data-id=${key(row)} onClick=${clicked}
      class=${fresh?.has(key(row)) ? "fresh" : null}>
      ${columns.map((column) => html`<td key=${column.name} role="cell"
        class=${column.kind} data-label=${column.label ?? column.title}>${
        column.cell(row)}</td>`)}</tr>`)}</tbody>
  </table></div>`;
}
