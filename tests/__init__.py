"""
The tests. On a machine that builds, Hypothesis draws the same examples every time; on a
developer's it looks for new ones.
"""

import os

from hypothesis import settings

settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")
