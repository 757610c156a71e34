"""Steps: their order, their failures, sleeps, what runs beside each other, and
what is large."""

import asyncio
import datetime
import time

import inngest

from notes import note, noted


def steps(app) -> None:
    plain(app)
    failing(app)
    sleeping(app)
    parallel(app)
    others(app)
    large(app)


def raiser(error: Exception):
    def work():
        raise error

    return work


def plain(app) -> None:
    @app.define("sequence")
    async def sequence(ctx, run):
        a = await run("a", lambda: ctx.event.data["x"] + 1)
        b = await run("b", lambda: {"twice": a * 2,
                                    "text": "ä\u0000\U0001f600"})
        c = await run("c", lambda: None)
        return {"a": a, "b": b, "c": c}

    @app.define("no-steps")
    async def no_steps(ctx, run):
        return {"echo": ctx.event.data}

    @app.define("unicode")
    async def unicode(ctx, run):
        text = ctx.event.data["text"]
        size = await run("größe 😀", lambda: len(text))
        return {"text": text, "size": size}

    @app.define("many-steps")
    async def many_steps(ctx, run):
        total = 0
        for i in range(50):
            total += await run(f"step-{i}", lambda i=i: i)
        return {"sum": total}


def failing(app) -> None:
    @app.define("step-retry", retries=3)
    async def step_retry(ctx, run):
        def flaky():
            if ctx.attempt < 2:
                raise Exception(f"flaky on attempt {ctx.attempt}")
            return {"attempt": ctx.attempt}

        return await run("flaky", flaky)

    @app.define("step-retry-resets", retries=1)
    async def step_retry_resets(ctx, run):
        def once():
            if ctx.attempt < 1:
                raise Exception("fails once")
            return ctx.attempt

        return [await run("first", once), await run("second", once)]

    @app.define("step-caught", retries=1)
    async def step_caught(ctx, run):
        try:
            await run("bad", raiser(TypeError("always bad")))
        except inngest.StepError as err:
            recovered = await run("recover")
            return {"message": err.message, "recovered": recovered}
        return {"message": "not thrown"}

    @app.define("step-uncaught", retries=1)
    async def step_uncaught(ctx, run):
        await run("bad", raiser(Exception("step boom")))

    @app.define("function-error", retries=2)
    async def function_error(ctx, run):
        await run("fine")
        note(kind="end", run=ctx.run_id, attempt=ctx.attempt)
        raise Exception("function boom")

    @app.define("non-retriable", retries=5)
    async def non_retriable(ctx, run):
        await run("never", raiser(inngest.NonRetriableError("not again")))

    @app.define("retry-after", retries=3)
    async def retry_after(ctx, run):
        def later():
            if ctx.attempt == 0:
                raise inngest.RetryAfterError(
                    "come back", datetime.timedelta(seconds=2))
            return ctx.attempt

        return await run("later", later)

    async def cleanup(ctx):
        data = ctx.event.data
        await noted(ctx)("cleanup", lambda: {
            "message": data["error"]["message"],
            "function": data["function_id"],
            "original": data["event"]["data"],
        })

    @app.define("fails", retries=0, on_failure=cleanup)
    async def fails(ctx, run):
        raise Exception("on purpose")


def sleeping(app) -> None:
    @app.define("sleep")
    async def sleep(ctx, run):
        await run("before")
        await ctx.step.sleep("nap", datetime.timedelta(seconds=1))
        await run("after")
        return "slept"

    @app.define("sleep-until")
    async def sleep_until(ctx, run):
        until = await run("until", lambda: int(time.time() * 1000) + 1500)
        await ctx.step.sleep_until("nap", datetime.datetime.fromtimestamp(
            until / 1000, tz=datetime.timezone.utc))
        await run("after")
        return {"until": until}

    @app.define("sleep-zero")
    async def sleep_zero(ctx, run):
        await ctx.step.sleep("nap", 0)
        return await run("after", lambda: "woken")


def parallel(app) -> None:
    @app.define("parallel")
    async def three_and_a_sleep(ctx, run):
        p1, p2, _, _ = await ctx.group.parallel((
            lambda: run("p1"),
            lambda: run("p2"),
            lambda: ctx.step.sleep("ps", datetime.timedelta(seconds=1)),
            lambda: run("p3"),
        ))
        after = await run("after", lambda: [p1, p2])
        return {"after": after, "last": await run("last")}

    @app.define("parallel-chains")
    async def parallel_chains(ctx, run):
        async def chain(name):
            one = await run(f"{name}-1")
            return await run(f"{name}-2", lambda: f"{one}+")

        return list(await ctx.group.parallel(tuple(
            (lambda name=name: chain(name)) for name in "xyz")))

    @app.define("parallel-failure", retries=1)
    async def parallel_failure(ctx, run):
        def shaky():
            if ctx.attempt == 0:
                raise Exception("shaky")
            return "steady"

        async def settled(name, work=None):
            try:
                return await run(name, work)
            except inngest.StepError as err:
                return err.message

        return list(await ctx.group.parallel((
            lambda: settled("good"),
            lambda: settled("doomed", raiser(Exception("doomed"))),
            lambda: settled("shaky", shaky),
        )))

    # A race here is a path that goes on while the other one is not done.
    raced = set()

    @app.define("race")
    async def race(ctx, run):
        async def slow():
            for _ in range(200):
                if ctx.run_id in raced:
                    break
                await asyncio.sleep(0.05)
            return "slow"

        async def path():
            def wins():
                raced.add(ctx.run_id)
                return f"{winner} wins"

            winner = await run("fast")
            return {"winner": winner, "after": await run("after", wins)}

        _, won = await ctx.group.parallel(
            (lambda: run("slow", slow), path),
            parallel_mode=inngest.ParallelMode.RACE)
        return won


def others(app) -> None:
    @app.define("send-event")
    async def send_event(ctx, run):
        ids = await ctx.step.send_event("tell", [
            inngest.Event(name="sdk/sent", data={"n": n}) for n in (1, 2)])
        await run("after")
        return {"ids": ids}

    @app.define("sent")
    async def sent(ctx, run):
        return await run("got", lambda: ctx.event.data["n"])

    @app.define("once")
    async def once(ctx, run):
        return await run("only")


def large(app) -> None:
    @app.define("large")
    async def large_outputs(ctx, run):
        total = 0
        for i in range(5):
            total += len(await run(f"part-{i}", lambda: "x" * (1 << 20)))
        return {"total": total}

    @app.define("large-event")
    async def large_event(ctx, run):
        return await run("size", lambda: len(ctx.event.data["text"]))
