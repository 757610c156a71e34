// The start: the session, then the page that the address names.

import { html, render } from "../vendor/preact.js";
import { loadSession } from "./api.js";
import { Frame } from "./frame.js";

async function start() {
  const root = document.getElementById("app");
  let trouble = null;

  try {
    await loadSession();
  } catch (error) {
    trouble = error.message;
  }
  root.replaceChildren();
  render(html`<${Frame} trouble=${trouble} />`, root);
}

start();
