"""
What the clients in Python share: how they tell the matrix what came, a line of JSON
each, and how they wait before they come back.
"""

import json
import sys
from collections.abc import Mapping
from typing import Any


def tell(**what: Any) -> None:
    print(json.dumps(what), flush=True)


def tell_event(name: str, id: str, data: str) -> None:
    """
    An event of the stream.
    """
    document = json.loads(data)
    tell(event=name, id=id, killmail_ids=killmail_ids(name, document))


def killmail_ids(name: str, document: Mapping[str, Any]) -> list[int]:
    """
    The killmails of an event.
    """
    if name == "batch":
        return [killmail["killmail_id"] for killmail in document["kills"]]
    return [document["killmail_id"]] if name == "killmail" else []


def url() -> str:
    """
    What to ask for, from the command line.
    """
    return sys.argv[1]
