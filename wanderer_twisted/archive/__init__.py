"""
The archive: days of killmails, taken in whole, and proof of which of them are.
"""

from wanderer_twisted.archive.loading import Loader
from wanderer_twisted.archive.rounds import Outcome, Rounds
from wanderer_twisted.archive.service import Archive
from wanderer_twisted.archive.stager import Stager

__all__ = ["Archive", "Loader", "Outcome", "Rounds", "Stager"]
