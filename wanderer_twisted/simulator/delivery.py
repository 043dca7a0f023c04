"""
How an answer's bytes go out: at once, or with what a fault does to the connection.
"""

from twisted.internet.interfaces import IReactorTime, ITCPTransport
from twisted.internet.task import deferLater
from twisted.web.server import Request

from wanderer_twisted.simulator.faults import Fault

_PORTION = 16


async def deliver(
    request: Request, clock: IReactorTime, body: bytes, fault: Fault | None
) -> None:
    """
    Write the body and end the response, or what the fault has instead. The head, with
    the length of the whole body, goes out before it.
    """
    kind = None if fault is None else fault.kind
    if fault is not None and kind == "drip":
        size = fault.size or _PORTION
        for start in range(0, len(body), size):
            request.write(body[start : start + size])
            await deferLater(clock, fault.interval)
    elif fault is not None and kind == "truncate":
        request.write(body[: fault.cut_at(body)])
        request.channel.loseConnection()
        return
    else:
        request.write(body)
    request.finish()


def abort(request: Request) -> None:
    """
    Cut the connection without a farewell.
    """
    channel = getattr(request, "channel", None)  # absent when finished, None when gone
    if channel is not None and channel.transport is not None:
        transport: ITCPTransport = channel.transport
        transport.abortConnection()
