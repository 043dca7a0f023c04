"""
Base classes of test cases.
"""

from inspect import iscoroutinefunction
from typing import Any

from twisted.trial.unittest import SynchronousTestCase


class SyncCase(SynchronousTestCase):
    """
    A synchronous test case that refuses ``async`` tests: trial would report them as
    passed without running them.
    """

    def __init_subclass__(cls, **kw: Any) -> None:
        super().__init_subclass__(**kw)
        for name, function in vars(cls).items():
            if name.startswith("test") and iscoroutinefunction(function):
                raise TypeError(f"{cls.__name__}.{name} is async and would not run")
