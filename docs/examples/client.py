"""
A client in Python: each killmail once, across lost connections and restarts.

    pip install httpx httpx-sse
    python client.py --cursor cursor.txt \
        'http://127.0.0.1:4004/api/v1/kills/stream?character_ids=95465499&preload_days=90'

It prints a line for each killmail; what else happens goes to stderr.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from httpx_sse import connect_sse

#: Seconds without a byte after which a connection is taken for dead: more than the
#: longest heartbeat, which is 60.
READ_TIMEOUT = 75.0

LONGEST_PAUSE = 60.0


class Refused(Exception):
    """
    The server does not like the request; asking again would not help.
    """


class Unavailable(Exception):
    """
    Not now.
    """


def check(response: httpx.Response) -> None:
    """
    :raises Refused: or :exc:`Unavailable`, with what the server said.
    """
    if response.status_code != 200:
        response.read()
        said = f"{response.status_code}: {response.text}"
        retryable = response.status_code == 429 or response.status_code >= 500
        raise Unavailable(said) if retryable else Refused(said)


def follow(url: str, cursor: str = "") -> Iterator[tuple[str, Any, str]]:
    """
    The events of a stream, for ever: each one's name and data, and the cursor that is
    to be kept once it is dealt with.

    :param cursor: where to go on; empty for a first connect.
    :raises Refused: the server does not like the request.
    """
    retry, failures = 3.0, 0
    timeout = httpx.Timeout(10.0, read=READ_TIMEOUT)
    with httpx.Client(timeout=timeout) as client:
        while True:
            headers = {"Last-Event-ID": cursor} if cursor else {}
            failures += 1
            try:
                with connect_sse(client, "GET", url, headers=headers) as source:
                    check(source.response)  # a refusal for good ends it all
                    for event in source.iter_sse():
                        if event.retry is not None:
                            retry = event.retry / 1000
                        cursor = event.id or cursor  # none: the one before stands
                        yield event.event, event.json(), cursor
                        failures = 0
            except (httpx.TransportError, Unavailable) as error:
                print(f"connection lost: {error!r}", file=sys.stderr)
            pause = retry * 2 ** min(failures, 10)
            time.sleep(min(pause, max(retry, LONGEST_PAUSE)))


def show(killmail: dict[str, Any]) -> None:
    """
    What you want to do with one.
    """
    victim = killmail["victim"]
    who = victim.get("character_name") or victim.get("character_id", "nobody")
    ship = victim.get("ship_name", victim.get("ship_type_id"))
    value = killmail.get("zkb", {}).get("total_value", 0.0)
    print(
        killmail["kill_time"],
        killmail["killmail_id"],
        f"{who} lost a {ship} worth {value / 1e6:,.1f} M ISK",
        flush=True,
    )


def deal_with(name: str, data: dict[str, Any]) -> None:
    """
    Each event once. Names that you do not know are safe to leave alone.
    """
    match name:
        case "batch":
            for killmail in data["kills"]:
                show(killmail)
        case "killmail":
            show(data)
        case "transition":
            say(f"{data['total_historical']} of the past; from here on live")
            if not data["coverage"]["complete"]:
                say("the past is not complete; ask again in some minutes")
        case "gap":
            say(f"the cursor was not taken ({data['reason']}); starting anew")
        case "warning" | "error":
            say(f"{data['type']}: {data['message']}")


def keep(path: Path, cursor: str) -> None:
    """
    Whole or not at all: a stop in between must not leave an empty file.
    """
    new = path.with_name(path.name + ".new")
    new.write_text(cursor)
    new.replace(path)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--cursor", type=Path, help="a file to keep the cursor in")
    options = parser.parse_args()
    kept: Path | None = options.cursor
    cursor = kept.read_text() if kept is not None and kept.exists() else ""
    try:
        for name, data, upto in follow(options.url, cursor):
            deal_with(name, data)
            if kept is not None:
                keep(kept, upto)
    except Refused as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
