"""
aiohttp-sse-client2, which comes back by itself after a clean end, and after a break
raises.
"""

import asyncio

from aiohttp import ClientError, ClientSession, ClientTimeout
from aiohttp_sse_client2.client import EventSource
from telling import tell, tell_event, url


async def main() -> None:
    cursor = ""
    # aiohttp's own timeout is 300 s in all, and its longest line 512 KiB.
    timeout = ClientTimeout(total=None, sock_read=75)
    async with ClientSession(timeout=timeout, read_bufsize=2**21) as session:
        while True:
            headers = {"Last-Event-ID": cursor} if cursor else {}
            try:
                async with EventSource(
                    url(), session=session, headers=headers
                ) as source:
                    async for event in source:
                        cursor = event.last_event_id or cursor
                        tell_event(event.type, event.last_event_id, event.data)
            except (ClientError, ConnectionError) as error:
                tell(error=repr(error))
            await asyncio.sleep(1)


asyncio.run(main())
