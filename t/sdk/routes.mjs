// Routes as agent templates register them (registerApiRoute), in the two forms
// there are: a function for each, whose one step makes the request again that
// the event was, with fetch(), to a path that it knows.

import { PROVIDER } from "./tools.mjs";

export function routes(create, { NonRetriableError }) {
  const route = (id, event, path) =>
    create({ id, name: path }, event, async ({ event, step }) => {
      await step.run("forward request to Mastra", async () => {
        const { method, headers, body } = event.data;
        const response = await fetch(`${PROVIDER}${path}`,
          { method, headers, body });

        if (response.ok) {
          return;
        }

        const text = `Failed to forward request to Mastra: ${
          response.statusText}`;

        if (response.status >= 500 || response.status === 429
            || response.status === 408) {
          throw new Error(text);
        }

        throw new NonRetriableError(text);
      });
    });

  return [
    route("api-linear", "event/api.webhooks.linear.action",
      "/linear/webhook"),
    route("api-webhooks", "event/api.webhooks.webhooks.action",
      "/webhooks/slack/action"),
    route("api-stripe-events", "event/api.stripe.events", "/stripe/events"),
  ];
}
