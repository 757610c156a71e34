"""The apps of the tests on the Python SDK: sdk has the scenarios, sdk-other is
invoked by it, sdk-stream answers in a stream."""

import asyncio
import contextlib
import datetime
import logging
import os

import fastapi
import inngest
import inngest.fast_api
import uvicorn

from notes import Noted, note, noted
from options import options
from steps import steps
from waits import waits


class App:
    """The functions of one client; the event sdk/ID runs the function ID."""

    def __init__(self, app_id: str) -> None:
        logger = logging.getLogger(app_id)
        logger.setLevel(logging.CRITICAL)
        self.client = inngest.Inngest(app_id=app_id, logger=logger)
        self.functions: list[inngest.Function] = []

    def define(self, fn_id: str, **config):
        def decorate(handler):
            async def with_run(ctx: inngest.Context):
                return await handler(ctx, noted(ctx))

            function = self.client.create_function(
                fn_id=fn_id,
                trigger=inngest.TriggerEvent(event=f"sdk/{fn_id}"),
                **config,
            )(with_run)
            self.functions.append(function)
            return function

        return decorate


def other_app() -> App:
    app = App("sdk-other")

    @app.define("double")
    async def double(ctx, run):
        return await run("twice", lambda: {"doubled": 2 * ctx.event.data["x"]})

    return app


def stream_app() -> App:
    app = App("sdk-stream")

    async def slow_first():
        await asyncio.sleep(0.3)
        return "streamed"

    @app.define("stream")
    async def stream(ctx, run):
        first = await run("first", slow_first)
        await ctx.step.sleep("nap", datetime.timedelta(seconds=1))
        return {"first": first, "last": await run("last")}

    return app


@contextlib.asynccontextmanager
async def lifespan(_):
    asyncio.get_running_loop().call_later(
        0.2, lambda: note(kind="listening", pid=os.getpid()))
    yield


def main() -> None:
    main_app = App("sdk")
    steps(main_app)
    waits(main_app)
    options(main_app)

    api = fastapi.FastAPI(lifespan=lifespan)

    for app, path, streaming in [
        (main_app, "/api/inngest", inngest.Streaming.DISABLE),
        (other_app(), "/api/other", inngest.Streaming.DISABLE),
        (stream_app(), "/api/stream", inngest.Streaming.FORCE),
    ]:
        inngest.fast_api.serve(api, app.client, app.functions,
                               serve_path=path, streaming=streaming)

    uvicorn.run(Noted(api), host="127.0.0.1", port=int(os.environ["PORT"]),
                log_level="warning")


main()
