"""
The settings: YAML, checked whole before anything starts (design.md §6).
"""

from wanderer_twisted.config.faults import ConfigError
from wanderer_twisted.config.reading import load_settings, load_tokens
from wanderer_twisted.config.settings import (
    Archive,
    Esi,
    Features,
    History,
    Limits,
    Manhole,
    Names,
    R2z2Feed,
    RedisqFeed,
    Retention,
    Settings,
    Stream,
    Zkillboard,
)
from wanderer_twisted.config.tokens import Token, TokenLimits

__all__ = [
    "Archive",
    "ConfigError",
    "Esi",
    "Features",
    "History",
    "Limits",
    "Manhole",
    "Names",
    "R2z2Feed",
    "RedisqFeed",
    "Retention",
    "Settings",
    "Stream",
    "Token",
    "TokenLimits",
    "Zkillboard",
    "load_settings",
    "load_tokens",
]
