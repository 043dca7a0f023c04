"""
A peer: aiohttp, whose streams are written to as bytes, framed once for all.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from aiohttp import web

from bench.peers.asyncio_commands import obey

followers: dict[str, set[web.StreamResponse]] = {}


async def stream(request: web.Request) -> web.StreamResponse:
    headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    await response.write(b"event: connected\ndata: {}\n\n")
    ids = request.query["ids"].split(",")
    for id in ids:
        followers.setdefault(id, set()).add(response)
    try:
        await asyncio.Event().wait()  # for ever: cancelled when the client leaves
    finally:
        for id in ids:
            followers[id].discard(response)
    return response


async def publish(ids: Sequence[str], body: str, cursor: str) -> None:
    frame = f"event: killmail\ndata: {body}\nid: {cursor}\n\n".encode()
    for response in set().union(*(followers.get(id, ()) for id in ids)):
        with suppress(ConnectionError):  # its handler is about to be cancelled
            await response.write(frame)


async def main() -> None:
    app = web.Application()
    app.router.add_get("/", stream)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=4096)
    await site.start()
    await obey(runner.addresses[0][1], publish)
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main())
