// An app of the npm SDK with the function that a durable_forward of nginx is,
// to see what both say: same id, same step, same target.

import http from "node:http";

import { Inngest, NonRetriableError } from "inngest";
import { serve } from "inngest/node";

const client = new Inngest({ id: "shop", isDev: false, checkpointing: false });
const target = process.env.TARGET;

function forwards(connector, path) {
  return client.createFunction(
    {
      id: `api-${connector}`,
      name: `api-${connector}`,
      retries: 2,
      triggers: [{ event: `event/api.webhooks.${connector}.action` }],
    },
    ({ event, step }) =>
      step.run(`forward request to ${target}${path}`, async () => {
        const { method, headers, body } = event.data;
        const res = await fetch(target + path, { method, headers, body });

        if (res.status >= 500) {
          throw new Error(`the target answered HTTP ${res.status}`);
        }
        if (!res.ok) {
          throw new NonRetriableError(`the target answered ${res.status}`);
        }

        return { status: res.status, body: await res.text() };
      }),
  );
}

const handler = serve({
  client,
  functions: [
    forwards("bad", "/status/422"),
    forwards("fails", "/status/500"),
    forwards("hook", "/echo/hook"),
  ],
});

http.createServer(handler).listen(Number(process.env.PORT), "127.0.0.1",
  () => console.log("listening"));
