// Small drawings of lines; all have words beside them or a label.

import { html } from "../../vendor/preact.js";

const PATHS = {
  brand: "M6 7h9a4 4 0 0 1 0 8h-3a3 3 0 0 0 0 6h8",
  runs: "M4 6h10M4 12h16M8 18h9",
  events: "M13 3 5 14h6l-1 7 8-11h-6z",
  functions: "M15 4c-3 0-3 2-4 8s-1 8-4 8M8 11h7",
  apps: "M4 4h7v7H4zM13 4h7v7h-7zM4 13h7v7H4zM13 13h7v7h-7z",
  webhooks: "M9 12a4 4 0 1 1 5-4M12 8l4 7M16 13a4 4 0 1 1-2 6M14 17H7M8 12"
    + "a4 4 0 1 0 1 7",
  queue: "M4 5h16M4 10h16M4 15h10M4 20h6",
  bulk: "M8 4h12v12H8zM4 8v12h12",
  system: "M4 5h16v6H4zM4 13h16v6H4zM8 8h.01M8 16h.01",
  key: "M14 10a4 4 0 1 1-1-2.6L20 3M17 5l2 2",
  leave: "M10 4H5v16h5M14 8l4 4-4 4M18 12H9",
  light: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v3M12 19v3M2 12h3M19 12h3"
    + "M5 5l2 2M17 17l2 2M19 5l-2 2M7 17l-2 2",
  dark: "M20 14A8 8 0 0 1 10 4a8 8 0 1 0 10 10z",
  auto: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 3v18M12 7l6 0M12 12h9"
    + "M12 17h6",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  done: "m5 12 5 5 9-10",
  failed: "m6 6 12 12M18 6 6 18",
  cancelled: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM6 6l12 12",
  skipped: "M5 6l6 6-6 6M12 6l6 6-6 6M20 6v12",
  scheduled: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 7v5l3 3",
  running: "M12 3a9 9 0 1 0 9 9",
  sleeping: "M9 5h7l-7 8h7M5 15h4l-4 5h4",
  waiting: "M7 3h10M7 21h10M8 3c0 6 8 6 8 9s-8 3-8 9M16 3c0 6-8 6-8 9s8 3 8"
    + " 9",
  planned: "M12 5a7 7 0 1 0 0 14 7 7 0 0 0 0-14z",
  edited: "M4 20l1-4L16 5l3 3L8 19zM14 7l3 3",
  paused: "M9 5v14M15 5v14",
  parked: "M8 20V4h5a4 4 0 0 1 0 8H8",
  back: "M15 5l-7 7 7 7",
  right: "M9 5l7 7-7 7",
  down: "M5 9l7 7 7-7",
  again: "M20 11A8 8 0 1 0 18 18M20 4v7h-7",
  stop: "M6 6h12v12H6z",
  play: "M8 5v14l11-7z",
  search: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM16 16l5 5",
  link: "M14 4h6v6M20 4l-9 9M18 14v6H4V6h6",
  more: "M5 12h.01M12 12h.01M19 12h.01",
  send: "M4 12 20 4l-6 16-3-7z",
  plus: "M12 5v14M5 12h14",
};

export function Icon({ name }) {
  return html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true"
    focusable="false"><path d=${PATHS[name] ?? PATHS.planned} /></svg>`;
}
