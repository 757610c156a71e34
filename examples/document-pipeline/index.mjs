// The app: an HTTP server with one endpoint, which the workflow server calls.
//
//   INNGEST_DEV=http://127.0.0.1:8288 node index.mjs

import { createServer } from "node:http";

import { serve } from "inngest/node";

import { documentPipeline, inngest } from "./pipeline.mjs";
import { mail, review } from "./review.mjs";

const port = Number(process.env.PORT ?? 3000);
const handler = serve({
  client: inngest,
  functions: [documentPipeline, review, mail],
});

const server = createServer((req, res) => {
  if (req.url.startsWith("/api/inngest")) {
    return handler(req, res);
  }

  res.writeHead(404).end();
});

server.on("error", (error) => {
  console.error(`The app cannot listen on port ${port}: ${error.message}`);
  process.exit(1);
});

server.listen(port, "127.0.0.1", () => {
  console.log(`The app serves http://127.0.0.1:${port}/api/inngest`);
});

for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, () => {
    server.close(() => process.exit(0));
    server.closeAllConnections();
  });
}
