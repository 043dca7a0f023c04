"""
The archive: days of killmails, taken in whole, and proof of which of them are.
"""

from wanderer_twisted.archive.service import Archive

__all__ = ["Archive"]
