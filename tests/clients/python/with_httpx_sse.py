"""
httpx-sse, as docs/examples/client.py has it.
"""

import time

import httpx
from httpx_sse import connect_sse
from telling import tell, tell_event, url


def main() -> None:
    cursor, retry = "", 1.0
    timeout = httpx.Timeout(10.0, read=75.0)  # httpx's own of 5 s is too short
    with httpx.Client(timeout=timeout) as client:
        while True:
            headers = {"Last-Event-ID": cursor} if cursor else {}
            try:
                with connect_sse(client, "GET", url(), headers=headers) as source:
                    source.response.raise_for_status()
                    for event in source.iter_sse():
                        if event.retry is not None:
                            retry = event.retry / 1000
                        cursor = event.id or cursor
                        tell_event(event.event, event.id, event.data)
            except httpx.HTTPError as error:
                tell(error=repr(error))
            time.sleep(retry)


main()
