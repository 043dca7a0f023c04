"""
The settings: YAML, checked whole before anything starts (design.md §6).
"""

from wanderer_twisted.config.faults import ConfigError
from wanderer_twisted.config.reading import load_settings
from wanderer_twisted.config.settings import (
    Archive,
    Esi,
    Features,
    History,
    Limits,
    Names,
    R2z2Feed,
    RedisqFeed,
    Retention,
    Settings,
    Stream,
    Zkillboard,
)

__all__ = [
    "Archive",
    "ConfigError",
    "Esi",
    "Features",
    "History",
    "Limits",
    "Names",
    "R2z2Feed",
    "RedisqFeed",
    "Retention",
    "Settings",
    "Stream",
    "Zkillboard",
    "load_settings",
]
