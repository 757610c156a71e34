"""What every app of these tests shares: the record of what really happened."""

import inspect
import json
import os
import time
import typing
import urllib.parse

LOG = os.environ["SDK_LOG"]


def note(**record: object) -> None:
    record["ts"] = int(time.time() * 1000)
    with open(LOG, "a", encoding="utf-8") as log:
        log.write(json.dumps(record) + "\n")


def note_request(scope: dict, body: bytes) -> tuple:
    query = scope["query_string"].decode()
    values = dict(urllib.parse.parse_qsl(query))
    path = scope["path"] + ("?" + query if query else "")
    headers = {k.decode(): v.decode() for k, v in scope["headers"]}
    record: dict[str, typing.Any] = {
        "kind": "request",
        "method": scope["method"],
        "path": path,
        "fn": values.get("fnId"),
        "step": values.get("stepId"),
        "headers": headers,
    }

    if scope["method"] == "POST" and body:
        try:
            call = json.loads(body)
            record["run"] = call["ctx"]["run_id"]
            record["attempt"] = call["ctx"]["attempt"]
            record["use_api"] = call["use_api"]
            record["memos"] = list(call["steps"])
            record["version"] = call["version"]
        except (ValueError, KeyError):
            record["garbage"] = True

    if len(body) < 65536:
        record["body"] = body.decode(errors="replace")

    note(**record)

    return record.get("run"), path


class Noted:
    """An ASGI app whose requests and statuses are noted on the way."""

    def __init__(self, app: typing.Any) -> None:
        self.app = app

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break

        run, path = note_request(scope, body)
        whole = [{"type": "http.request", "body": body}]

        async def replay():
            return whole.pop() if whole else await receive()

        async def watch(message):
            if message["type"] == "http.response.start":
                note(kind="response", run=run, path=path,
                     status=message["status"])
            await send(message)

        await self.app(scope, replay, watch)


def noted(ctx: typing.Any) -> typing.Callable:
    """A step.run() whose every execution is noted; its default result is its
    name, `work` may be a function or a coroutine function."""

    async def run(name: str, work: typing.Callable | None = None):
        async def noted_work():
            note(kind="step", run=ctx.run_id, step=name, attempt=ctx.attempt)
            result = work() if work else name
            return await result if inspect.isawaitable(result) else result

        return await ctx.step.run(name, noted_work)

    return run
