"""Functions with options, and runs that something from outside ends."""

import asyncio
import datetime

import inngest

HOUR = datetime.timedelta(hours=1)
SECOND = datetime.timedelta(seconds=1)
KEY = "event.data.key"


def options(app) -> None:
    ended(app)
    limited(app)


def ended(app) -> None:
    def stay(fn_id, **config):
        @app.define(fn_id, **config)
        async def handler(ctx, run):
            await run("before")
            await ctx.step.sleep("long", HOUR)
            return await run("never")

    stay("cancel-on", cancel=[inngest.Cancel(
        event="sdk/cancel", if_exp="async.data.key == event.data.key")])
    stay("delete-run")
    stay("timeout-finish", timeouts=inngest.Timeouts(finish=SECOND))

    # The second run waits for the first one for longer than it may.
    @app.define("timeout-start", timeouts=inngest.Timeouts(start=SECOND),
                concurrency=[inngest.Concurrency(limit=1)])
    async def timeout_start(ctx, run):
        async def alone():
            await asyncio.sleep(3)
            return ctx.event.data["n"]

        return await run("alone", alone)

    @app.define("rerun")
    async def rerun(ctx, run):
        return await run("count", lambda: "ran")


def limited(app) -> None:
    @app.define("batch", batch_events=inngest.Batch(max_size=2,
                                                    timeout=60 * SECOND))
    async def batch(ctx, run):
        def told():
            return {"first": ctx.event.data["n"],
                    "all": [event.data["n"] for event in ctx.events]}

        return await run("told", told)

    def only(fn_id, **config):
        @app.define(fn_id, **config)
        async def handler(ctx, run):
            return await run("only")

    only("idempotency", idempotency=KEY)
    only("rate-limit", rate_limit=inngest.RateLimit(limit=1, period=HOUR,
                                                    key=KEY))

    def hold(fn_id, mode):
        @app.define(fn_id, singleton=inngest.Singleton(mode=mode, key=KEY))
        async def handler(ctx, run):
            await run("hold", lambda: ctx.event.data["n"])
            await ctx.step.sleep("a while", 2 * SECOND)
            return ctx.event.data["n"]

    hold("singleton-skip", "skip")
    hold("singleton-cancel", "cancel")
