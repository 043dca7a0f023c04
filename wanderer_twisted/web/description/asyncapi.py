"""
The stream as AsyncAPI 3: an operation for each way to ask for it, a message for each
event.
"""

from typing import Any, Final

from wanderer_twisted import __version__
from wanderer_twisted.web.description import events, killmails
from wanderer_twisted.web.description.events import EVENTS, Event
from wanderer_twisted.web.description.examples import data_of, frames
from wanderer_twisted.web.description.openapi import TITLE
from wanderer_twisted.web.description.parameters import as_query, of_a_stream
from wanderer_twisted.web.description.shapes import ref
from wanderer_twisted.web.parameters import Rules

_ABOUT: Final = """\
Each message is a server-sent event: `event:` is its name, `data:` its payload as JSON,
`id:` a cursor. Whenever the stream ends, ask for the same again with the last `id` in
the header `Last-Event-ID`. The order on one connection is `connected`, perhaps `gap`,
then the history if any (`batch` ..., `transition`), then `killmail` ...; `heartbeat`
and `warning` come anywhere behind `connected`. Events and keys that are not told of
here may come one day.
"""
_PATH: Final = "/api/v1/kills/stream"


def asyncapi(rules: Rules) -> dict[str, Any]:
    """
    :param rules: the limits that it tells of.
    """
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": TITLE,
            "version": __version__,
            "description": _ABOUT,
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "here": {
                "host": "{host}",
                "protocol": "http",
                "description": "Where this document is from.",
                "variables": {"host": {"default": "127.0.0.1:4004"}},
            }
        },
        "channels": {
            "stream": {
                "address": _PATH,
                "title": "Killmails",
                "messages": {
                    each.name: {"$ref": f"#/components/messages/{each.name}"}
                    for each in EVENTS
                },
            }
        },
        "operations": {
            "stream": _operation("GET", "What the query asks for.", rules),
            "posted": _operation("POST", "What the body asks for (OpenAPI).", rules),
        },
        "components": {
            "messages": {each.name: _message(each) for each in EVENTS},
            "schemas": {**killmails.SCHEMAS, **events.SCHEMAS},
        },
    }


def _operation(method: str, summary: str, rules: Rules) -> dict[str, Any]:
    binding: dict[str, Any] = {"method": method, "bindingVersion": "0.3.0"}
    if method == "GET":
        binding["query"] = as_query(of_a_stream(rules), rules)
    return {
        "action": "send",
        "channel": {"$ref": "#/channels/stream"},
        "summary": summary,
        "bindings": {"http": binding},
    }


def _message(event: Event) -> dict[str, Any]:
    (shown,) = (each for each in frames() if each.name == event.name)
    return {
        "name": event.name,
        "summary": event.about,
        "payload": ref(event.schema),
        "examples": [{"payload": data_of(shown)}],
    }
