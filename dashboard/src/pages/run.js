// One run.

import { html } from "../../vendor/preact.js";
import { get, part } from "../api.js";
import { useFeed, useLoad } from "../hooks.js";
import { Heading, Notice } from "../parts/basic.js";
import { Json } from "../parts/json.js";

export default function Run({ id }) {
  const load = useLoad(async (signal) =>
    (await get(`v1/runs/${part(id)}/tree`, {}, signal)).data, [id]);

  useFeed(["steps", "runs"], (batch, missed) => {
    if (missed || batch.some(({ run }) => run === id)) {
      load.reload();
    }
  });
  return html`<${Heading} title=${load.data?.function ?? "Run"} />
    ${load.error && html`<${Notice} kind="bad">${load.error}</${Notice}>`}
    <${Json} value=${load.data} label="Run" />`;
}
