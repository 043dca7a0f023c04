"""
From what a source sent to what the store holds: checked, with bodies and names, in
order.
"""

from wanderer_twisted.ingest.feeds import FeedService, statuses, that_count
from wanderer_twisted.ingest.intake import Intake
from wanderer_twisted.ingest.names import NameBook
from wanderer_twisted.ingest.renaming import Renamer

__all__ = ["FeedService", "Intake", "NameBook", "Renamer", "statuses", "that_count"]
