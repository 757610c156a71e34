// How many rows are new, for who has scrolled away from the top.

import { html } from "../../vendor/preact.js";
import { Button } from "./basic.js";

export function Fresh({ list }) {
  return list.fresh > 0 && html`<div class="fresh-rows">
    <${Button} kind="main" onClick=${list.showFresh}>${list.fresh
    >= 50 ? "50 or more" : list.fresh} new</${Button}></div>`;
}
