"""
Staged days of the archive, made of a few killmails.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from wanderer_twisted.days import day_of
from wanderer_twisted.encoding import dumps
from wanderer_twisted.killmail import decode
from wanderer_twisted.store.staging import Ask, Staged, stage

A_HASH = "cd" * 20


def stage_all(
    folder: str, bodies: Collection[Mapping[str, Any]], part_size: int = 400
) -> list[tuple[str, Staged]]:
    """
    Stage ESI's bodies, a file for each of their days.

    :param folder: where to; made where it is not there.
    :returns: the paths of the staged days, oldest first, and what is in them.
    """
    Path(folder).mkdir(exist_ok=True)
    days: dict[int, dict[int, Mapping[str, Any]]] = {}
    for body in bodies:
        day = day_of(decode(body).kill_time)
        days.setdefault(day, {})[body["killmail_id"]] = body
    staged = []
    for day, its_bodies in sorted(days.items()):
        raw, path = f"{folder}/{day}.json", f"{folder}/{day}.staged"
        Path(raw).write_bytes(dumps(its_bodies))
        hashes = dict.fromkeys(its_bodies, A_HASH)
        staged.append((path, stage(raw, path, Ask(day, hashes), part_size)))
    return staged
