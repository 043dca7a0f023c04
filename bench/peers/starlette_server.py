"""
A peer: sse-starlette under uvicorn, as its documentation has it: a generator for each
stream, which waits at a queue.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence

import uvicorn
from sse_starlette.sse import EventSourceResponse, ServerSentEvent
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from bench.peers.asyncio_commands import obey

Queue = asyncio.Queue[ServerSentEvent]

followers: dict[str, set[Queue]] = {}


async def events(ids: Sequence[str]) -> AsyncIterator[ServerSentEvent]:
    queue: Queue = asyncio.Queue()
    for id in ids:
        followers.setdefault(id, set()).add(queue)
    try:
        yield ServerSentEvent("{}", event="connected", sep="\n")
        while True:
            yield await queue.get()
    finally:
        for id in ids:
            followers[id].discard(queue)


async def stream(request: Request) -> EventSourceResponse:
    ids = request.query_params["ids"].split(",")
    return EventSourceResponse(events(ids), ping=3600, sep="\n")


async def publish(ids: Sequence[str], body: str, cursor: str) -> None:
    event = ServerSentEvent(body, event="killmail", id=cursor, sep="\n")
    for queue in set().union(*(followers.get(id, ()) for id in ids)):
        queue.put_nowait(event)


async def main() -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    app = Starlette(routes=[Route("/", stream)])
    config = uvicorn.Config(app, lifespan="off", log_level="error", backlog=4096)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        await asyncio.sleep(0.01)
    await obey(listener.getsockname()[1], publish)
    server.force_exit = server.should_exit = True
    await serving


if __name__ == "__main__":
    asyncio.run(main())
