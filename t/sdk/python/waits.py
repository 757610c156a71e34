"""What a run waits for: events, other functions, and a model that the server
asks in its stead."""

import datetime
import os

import inngest
from inngest.experimental import ai

MINUTE = datetime.timedelta(minutes=1)
SECOND = datetime.timedelta(seconds=1)
SAME = "async.data.key == event.data.key"
PROVIDER = os.environ.get("PROVIDER", "")


def waits(app) -> None:
    events(app)
    invokes(app)
    models(app)


def by(event):
    return event.data["by"] if event else None


def events(app) -> None:
    def wait(fn_id, event, timeout, if_exp=None, after=False):
        @app.define(fn_id)
        async def handler(ctx, run):
            woken = await ctx.step.wait_for_event(
                "w", event=event, if_exp=if_exp, timeout=timeout)
            if after:
                await run("after")
            return {"woken": by(woken)}

    wait("wait-event", "sdk/wake", MINUTE)
    wait("wait-if", "sdk/wake-if", MINUTE, SAME, after=True)
    wait("wait-timeout", "sdk/nobody-sends-this", SECOND)
    wait("wait-never", "sdk/wake-never", 2 * SECOND, SAME)

    @app.define("wait-parallel")
    async def wait_parallel(ctx, run):
        left, right = await ctx.group.parallel((
            lambda: ctx.step.wait_for_event("l", event="sdk/left",
                                            timeout=MINUTE),
            lambda: ctx.step.wait_for_event("r", event="sdk/right",
                                            timeout=MINUTE),
        ))
        return [by(left), by(right)]


async def caught(awaitable):
    try:
        return {"unexpected": await awaitable}
    except inngest.StepError as err:
        return {"message": err.message}


def invokes(app) -> None:
    @app.define("child")
    async def child(ctx, run):
        return await run("work", lambda: {"got": ctx.event.data["x"]})

    @app.define("child-fails", retries=0)
    async def broken(ctx, run):
        raise Exception("child boom")

    @app.define("child-sleeps")
    async def slow(ctx, run):
        await ctx.step.sleep("long", datetime.timedelta(hours=1))

    @app.define("invoke")
    async def invoke(ctx, run):
        result = await ctx.step.invoke("i", function=child, data={"x": 7})
        return {"result": result, "after": await run("after")}

    @app.define("invoke-failing")
    async def invoke_failing(ctx, run):
        return await caught(ctx.step.invoke("i", function=broken))

    @app.define("invoke-unknown")
    async def invoke_unknown(ctx, run):
        return await caught(ctx.step.invoke_by_id("i", function_id="nowhere"))

    @app.define("invoke-timeout")
    async def invoke_timeout(ctx, run):
        return await caught(ctx.step.invoke("i", function=slow,
                                            timeout=SECOND))

    @app.define("invoke-other-app")
    async def invoke_other_app(ctx, run):
        return await ctx.step.invoke_by_id(
            "i", app_id="sdk-other", function_id="double", data={"x": 21})

    @app.define("invoke-parallel")
    async def invoke_parallel(ctx, run):
        return list(await ctx.group.parallel(tuple(
            (lambda x=x: ctx.step.invoke(f"i-{x}", function=child,
                                         data={"x": x}))
            for x in (1, 2, 3))))


def models(app) -> None:
    async def infer(ctx, path):
        adapter = ai.openai.Adapter(auth_key="secret", model="parrot-1",
                                    base_url=f"{PROVIDER}/{path}")
        return await ctx.step.ai.infer(
            "ai", adapter=adapter,
            body={"messages": [{"role": "user", "content": "hello"}]})

    @app.define("infer")
    async def answered(ctx, run):
        reply = await infer(ctx, "v1")
        return {"text": reply["choices"][0]["message"]["content"]}

    @app.define("infer-failing", retries=1)
    async def failing(ctx, run):
        try:
            return {"unexpected": await infer(ctx, "broken")}
        except inngest.StepError as err:
            return {"failed": len(err.message) > 0}
