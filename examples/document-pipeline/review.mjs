// Runs that wait for somebody: an event, another function, a signal.  Nothing
// waits in memory; the server and this process may be restarted meanwhile.
// README.md has the commands that let it go on.

import { inngest } from "./pipeline.mjs";

export const mail = inngest.createFunction(
  { id: "mail", triggers: [{ event: "mail.requested" }] },
  async ({ event, step }) => {
    const { to, text } = event.data;

    return step.run("post", () => `"${text}" to ${to}`);
  },
);

export const review = inngest.createFunction(
  { id: "review", triggers: [{ event: "review.requested" }] },
  async ({ event, step }) => {
    const { id } = event.data;

    const approval = await step.waitForEvent("approval", {
      event: "review.approved",
      if: "event.data.id == async.data.id",
      timeout: "1d",
    });

    if (approval === null) {
      return "nobody has approved it";
    }

    const sent = await step.invoke("tell-the-author", {
      function: mail,
      data: { to: "ann", text: `${id} is approved` },
    });

    const print = await step.waitForSignal("printer", {
      signal: `printed-${id}`,
      timeout: "1h",
    });

    return { sent, pages: print?.data.pages };
  },
);
