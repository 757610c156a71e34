// The three apps of a process, on either major version of the SDK:
// sdk has the scenarios, sdk-other is invoked by it, sdk-stream answers in a
// stream.  `create` is what differs: create(client)(options, event, handler).

import { listen } from "./server.mjs";
import { options } from "./options.mjs";
import { routes } from "./routes.mjs";
import { steps } from "./steps.mjs";
import { definer, pause } from "./tools.mjs";
import { waits } from "./waits.mjs";
import { limits } from "./limits.mjs";
import { windows } from "./windows.mjs";

export function start({ lib, serve, create, client, streaming, more }) {
  const main = client("sdk");
  const other = client("sdk-other");
  const stream = client("sdk-stream");
  const sdk = { define: definer(create(main)), lib };

  const double = definer(create(other))("double", async ({ event, run }) =>
    run("twice", () => ({ doubled: 2 * event.data.x })));

  const streamed = definer(create(stream))("stream", async ({ step, run }) => {
    const first = await run("first", async () => {
      await pause(300);
      return "streamed";
    });
    await step.sleep("nap", "1s");
    return { first, last: await run("last") };
  });

  const extra = more?.(sdk, main) ?? { functions: [], routes: [] };

  listen([
    ["/api/inngest", serve({ client: main, functions: [
      ...steps(sdk), ...waits(sdk), ...options(sdk), ...extra.functions,
      ...limits(sdk), ...windows(sdk), ...routes(create(main), lib),
    ] })],
    ["/api/other", serve({ client: other, servePath: "/api/other",
      functions: [double] })],
    ["/api/stream", serve({ client: stream, servePath: "/api/stream",
      functions: [streamed], streaming })],
    ...extra.routes,
  ]);
}
