"""
Every route: one entry for each method, but for the ``HEAD`` and ``OPTIONS`` that go
without saying. An entry that is missing, or too much, fails a test.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Final

import attrs

from wanderer_twisted.killmail import MAX_ID, MAX_KILLMAIL_ID
from wanderer_twisted.web.description.parameters import of_a_look_up, of_a_stream
from wanderer_twisted.web.description.shapes import ID, TEXT, Schema, ref
from wanderer_twisted.web.given import Parameter
from wanderer_twisted.web.parameters import Rules
from wanderer_twisted.web.rooms import GUARDED
from wanderer_twisted.web.selection import OF_A_COUNT, OF_A_LIST

#: What groups of routes are about.
TAGS: Final = {
    "streams": "Server-sent events. `/api/asyncapi` tells what is in them.",
    "look-ups": "Killmails as they are here now, newest first.",
    "server": "This server itself.",
    "page": "What people see of it in a browser.",
}

Query = Callable[[Rules], Iterable[Parameter]]

_ID: Final = {**ID, "maximum": MAX_ID}
_STREAM: Final = {
    "text/event-stream": {"type": "string"},
    "application/json": ref("DryRun"),
}
_A_LIST: Final = partial(of_a_look_up, OF_A_LIST)


def _json(name: str) -> Mapping[str, Schema]:
    """
    :param name: of a schema.
    """
    return {"application/json": ref(name)}


@attrs.frozen
class Operation:
    """
    :ivar path: what varies of it is in braces.
    :ivar id: what generated clients call it.
    :ivar content: of a good answer: schemas by media types.
    :ivar about: more than the summary says, in Markdown.
    :ivar query: the parameters in it.
    :ivar body: the schema of the request's body, by its name.
    :ivar in_path: what may stand for the braces, if there are any.
    :ivar resumes: whether it takes a ``Last-Event-ID``.
    :ivar tagged: whether its answers have an ``ETag``.
    :ivar unready: the schema of a 503 that is not an error, by its name.
    :ivar errors: their statuses, but for those that any request may get.
    """

    method: str
    path: str
    id: str
    tag: str
    summary: str
    content: Mapping[str, Schema]
    about: str = ""
    query: Query = lambda rules: ()
    body: str = ""
    in_path: Schema = _ID
    resumes: bool = False
    tagged: bool = False
    unready: str = ""
    errors: tuple[int, ...] = ()

    @property
    def varying(self) -> list[str]:
        """
        What varies of its path.
        """
        return re.findall(r"{(\w+)}", self.path)

    @property
    def guarded(self) -> bool:
        """
        Whether it takes a token, where the operator wants them.
        """
        return self.path.startswith(GUARDED)


def _stream(path: str, suffix: str, summary: str) -> Iterable[Operation]:
    yield Operation(
        "GET",
        path,
        f"stream{suffix}",
        "streams",
        summary,
        _STREAM,
        about="The past where it is asked for, oldest first, then every new killmail as"
        " it is announced, until either side ends it; each killmail once. With"
        " `dry_run=1` it is JSON. A client whose `Accept` names `text/event-stream`"
        " gets a refusal (429, 503) as a stream of one event.",
        query=of_a_stream,
        resumes=True,
        errors=(429, 503),
    )
    yield Operation(
        "POST",
        path,
        f"stream{suffix}_posted",
        "streams",
        f"{summary}, asked for by JSON",
        _STREAM,
        about="The same stream, for more ids than a URL has room for.",
        body="StreamRequest",
        resumes=True,
        errors=(413, 415, 429, 503),
    )


OPERATIONS: Final = (
    *_stream("/api/v1/kills/stream", "", "A stream of killmails"),
    *_stream("/api/v1/kills/stream/enhanced", "_enhanced", "Another name of that"),
    Operation(
        "GET",
        "/api/v1/killmail/{id}",
        "killmail",
        "look-ups",
        "One killmail, with its items",
        _json("KillmailAnswer"),
        in_path={**ID, "maximum": MAX_KILLMAIL_ID},
        errors=(503,),
    ),
    Operation(
        "GET",
        "/api/v1/kills/character/{id}",
        "kills_of_character",
        "look-ups",
        "A character's killmails",
        _json("Kills"),
        query=_A_LIST,
        tagged=True,
        errors=(503,),
    ),
    Operation(
        "GET",
        "/api/v1/kills/system/{id}",
        "kills_of_system",
        "look-ups",
        "A solar system's killmails",
        _json("Kills"),
        query=_A_LIST,
        tagged=True,
        errors=(503,),
    ),
    Operation(
        "GET",
        "/api/v1/kills/cached/{id}",
        "kills_of_system_cached",
        "look-ups",
        "The same, but nothing is fetched for it",
        _json("Kills"),
        query=_A_LIST,
        tagged=True,
        errors=(503,),
    ),
    Operation(
        "GET",
        "/api/v1/kills/count/{id}",
        "count_of_system",
        "look-ups",
        "How many killmails a solar system has",
        _json("CountOfKills"),
        query=partial(of_a_look_up, OF_A_COUNT),
        tagged=True,
        errors=(503,),
    ),
    Operation(
        "POST",
        "/api/v1/kills/systems",
        "kills_of_systems",
        "look-ups",
        "The newest killmails of several solar systems",
        _json("KillsOfSystems"),
        body="SystemsRequest",
        errors=(413, 415, 503),
    ),
    Operation(
        "GET",
        "/api/v1/coverage",
        "coverage",
        "server",
        "What is here of each day",
        _json("CoverageAnswer"),
        tagged=True,
        errors=(503,),
    ),
    Operation(
        "GET",
        "/ping",
        "ping",
        "server",
        "Whether the process runs",
        {"text/plain": {"const": "pong"}},
    ),
    Operation(
        "GET",
        "/health",
        "health",
        "server",
        "Whether it does its work, and why not",
        _json("Health"),
        unready="Health",
    ),
    Operation(
        "GET",
        "/health/live",
        "live",
        "server",
        "That it answers: for whoever restarts what hangs",
        _json("Live"),
    ),
    Operation(
        "GET",
        "/status",
        "status",
        "server",
        "This server in numbers",
        _json("Status"),
    ),
    Operation(
        "GET",
        "/api/openapi",
        "openapi",
        "server",
        "This document",
        {"application/json": {"type": "object"}},
        tagged=True,
    ),
    Operation(
        "GET",
        "/api/asyncapi",
        "asyncapi",
        "server",
        "What is in a stream, as AsyncAPI 3",
        {"application/json": {"type": "object"}},
        tagged=True,
    ),
    Operation(
        "GET",
        "/",
        "page",
        "page",
        "The web page",
        {"text/html": TEXT},
        tagged=True,
    ),
    Operation(
        "GET",
        "/static/{name}",
        "file_of_page",
        "page",
        "A file of the web page",
        {"text/css": TEXT, "text/javascript": TEXT, "image/svg+xml": TEXT},
        in_path=TEXT,
        tagged=True,
    ),
)
