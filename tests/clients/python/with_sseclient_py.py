"""
sseclient-py with requests.
"""

import time

import requests
from sseclient import SSEClient
from telling import tell, tell_event, url


def main() -> None:
    cursor, retry = "", 1.0
    while True:
        headers = {"Accept": "text/event-stream"}
        if cursor:
            headers["Last-Event-ID"] = cursor
        try:
            with requests.get(
                url(), headers=headers, stream=True, timeout=(5, 75)
            ) as response:
                response.raise_for_status()
                for event in SSEClient(response).events():
                    if event.retry is not None:
                        retry = int(event.retry) / 1000
                    cursor = event.id or cursor
                    tell_event(event.event, event.id, event.data)
        except requests.RequestException as error:
            tell(error=repr(error))
        time.sleep(retry)


main()
