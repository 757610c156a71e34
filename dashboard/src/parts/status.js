// How it stands with a run, a step or whatever else: a sign, a word, a colour.

import { html } from "../../vendor/preact.js";
import { Icon } from "./icon.js";

export const STATUSES = ["Scheduled", "Running", "Completed", "Failed",
  "Cancelled", "Skipped"];

const LOOKS = {
  scheduled: ["scheduled", "calm"], running: ["running", "busy"],
  completed: ["done", "good"], failed: ["failed", "bad"],
  cancelled: ["cancelled", "still"], skipped: ["skipped", "still"],
  planned: ["planned", "still"], sleeping: ["sleeping", "calm"],
  waiting: ["waiting", "calm"], done: ["done", "good"],
  edited: ["edited", "calm"], ok: ["done", "good"], retry: ["again", "warn"],
  error: ["failed", "bad"], paused: ["paused", "warn"],
  parked: ["parked", "bad"], synced: ["done", "good"],
  syncing: ["running", "busy"], stopped: ["stop", "still"],
};

export function ended(status) {
  return !["Scheduled", "Running"].includes(status);
}

export function Status({ status, text }) {
  const [icon, kind] = LOOKS[String(status).toLowerCase()]
    ?? ["planned", "still"];

  return html`<span class=${`status ${kind}`}><${Icon} name=${icon} />
    <span>${text ?? status}</span></span>`;
}
