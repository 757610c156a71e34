#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause

"""Fake services for docs/workflows.md: python3 services.py [port]

Every service takes JSON by POST and answers JSON.  /report/build fails the
first time it is asked for a day, and /jobs/poll says "done" the third time it
is asked for a job, so that retries and polling can be seen.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

asked = {}


def times(key):
    asked[key] = asked.get(key, 0) + 1
    return asked[key]


def classify(q):
    return {"topic": "refund" if "refund" in q["text"] else "question"}


def draft(q):
    return {"text": "About your %s: ..." % q["topic"],
            "risky": q["topic"] == "refund"}


def ocr(q):
    return {"text": "a scan of " + q["url"], "pages": ["p1", "p2", "p3"]}


def build(q):
    if times("report " + q["day"]) == 1:
        return 503, {"error": "warming up"}
    return {"rows": 42, "day": q["day"]}


def poll(q):
    return {"done": times("job " + q["job"]) >= 3}


SERVICES = {
    "/classify": classify,
    "/draft": draft,
    "/send": lambda q: {"sent": True, "text": q["text"]},
    "/ocr": ocr,
    "/notes": lambda q: {"notes": "notes on " + q["text"]},
    "/quiz": lambda q: {"questions": len(q["text"])},
    "/report/build": build,
    "/report/mail": lambda q: {"mailed": q["report"]["rows"]},
    "/expense": lambda q: {"id": "x-%s" % q["amount"]},
    "/pay": lambda q: {"paid": q["id"]},
    "/embed": lambda q: {"page": q["page"], "vector": [q["index"], 0.5]},
    "/jobs/start": lambda q: {"job": "job-" + q["name"]},
    "/jobs/poll": poll,
}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        service = SERVICES.get(self.path)
        status, answer = 404, {"error": "no such service"}

        if service:
            answer = service(json.loads(body or b"null"))
            status, answer = (answer if isinstance(answer, tuple)
                              else (200, answer))

        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *args):
        pass


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 7001
    print("services on http://127.0.0.1:%d" % port, flush=True)
    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
