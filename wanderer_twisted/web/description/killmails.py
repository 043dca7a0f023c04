"""
What a killmail looks like when it goes out (:func:`wanderer_twisted.killmail.encode`).
"""

from typing import Final

from wanderer_twisted.killmail import (
    MAX_ATTACKERS,
    MAX_KILLMAIL_ID,
    PARTICIPANT_IDS,
    PARTICIPANT_NAMES,
)
from wanderer_twisted.web.description.shapes import (
    COUNT,
    ID,
    NUMBER,
    TEXT,
    YES_OR_NO,
    Schema,
    array,
    record,
    ref,
    told,
)

_KILL_TIME: Final[Schema] = {
    "type": "string",
    "format": "date-time",
    "description": "When it happened; the same under two names.",
}
_SYSTEM_ID: Final = told(ID, "Where it happened; the same under two names.")

_SOMEBODY: Final[dict[str, Schema]] = {
    **dict.fromkeys(PARTICIPANT_IDS, ID),
    **dict.fromkeys(PARTICIPANT_NAMES.values(), TEXT),
}
_ATTACKER: Final = {
    **_SOMEBODY,
    "damage_done": COUNT,
    "final_blow": YES_OR_NO,
    "security_status": NUMBER,
}
_VICTIM: Final = {
    **_SOMEBODY,
    "damage_taken": COUNT,
    "position": ref("Position"),
    "items": array(ref("Item")),
}
_ITEM: Final = {
    "item_type_id": ID,
    "flag": told(COUNT, "Where it was: a slot, a hold."),
    "singleton": told(COUNT, "2 for a copy of a blueprint."),
    "quantity_destroyed": COUNT,
    "quantity_dropped": COUNT,
    "items": array(ref("Item")),
}
_ZKB: Final[dict[str, Schema]] = {
    "hash": told(TEXT, "ESI's hash of the killmail."),
    "locationID": COUNT,
    "fittedValue": NUMBER,
    "droppedValue": NUMBER,
    "destroyedValue": NUMBER,
    "totalValue": told(NUMBER, "ISK."),
    "totalDroppableValue": NUMBER,
    "total_value": told(NUMBER, "The same as `totalValue`."),
    "points": {"type": "integer"},
    "npc": YES_OR_NO,
    "solo": YES_OR_NO,
    "awox": YES_OR_NO,
    "labels": array(TEXT),
    "attackerCount": COUNT,
    "href": TEXT,
}
_KILLMAIL: Final[dict[str, Schema]] = {
    "killmail_id": {**ID, "maximum": MAX_KILLMAIL_ID},
    "kill_time": _KILL_TIME,
    "killmail_time": _KILL_TIME,
    "system_id": _SYSTEM_ID,
    "solar_system_id": _SYSTEM_ID,
    "solar_system_name": TEXT,
    "moon_id": ID,
    "war_id": ID,
    "attacker_count": {**COUNT, "maximum": MAX_ATTACKERS},
    "attackers": array(ref("Attacker")),
    "zkb": ref("Zkb"),
    "victim": ref("Victim"),
}

SCHEMAS: Final = {
    "Killmail": record(
        _KILLMAIL,
        optional=("solar_system_name", "moon_id", "war_id", "zkb"),
        about="ESI's body, zKillboard's block, and names. Keys without a value are"
        " left out; keys that are not told of may be there.",
    ),
    "Attacker": record(
        _ATTACKER,
        optional=_ATTACKER,
        about="An NPC has no character; some have no id at all.",
    ),
    "Victim": record(
        _VICTIM,
        optional=_VICTIM,
        about="A structure has no character. `items` where they were asked for.",
    ),
    "Position": record({"x": NUMBER, "y": NUMBER, "z": NUMBER}, optional="xyz"),
    "Item": record(
        _ITEM,
        optional=[key for key in _ITEM if key != "item_type_id"],
        about="A container has items of its own.",
    ),
    "Zkb": record(_ZKB, optional=_ZKB, about="As zKillboard gave it."),
}
