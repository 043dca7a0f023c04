"""
The past of characters and systems: what the store has of it, and fetching what it
lacks.
"""

from wanderer_twisted.history.service import History

__all__ = ["History"]
