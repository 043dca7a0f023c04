"""
How strictly the simulated services keep their own rules.
"""

import attrs


@attrs.define
class Rules:
    """
    Everything is on, and as in life, unless somebody changes it.

    :ivar limits: whether too many requests are refused (all services).
    :ivar r2z2_per_second: requests a second and address.
    :ivar r2z2_retention: seconds for which a file can be had.
    :ivar redisq_bodies: packages bring ESI's body, as before December 2025.
    :ivar redisq_delay: seconds between a hit and its answer.
    :ivar zkb_bodies: rows bring ESI's body, as since June 2026.
    :ivar zkb_per_second: requests a second and address.
    :ivar zkb_cache: seconds for which the answer to a URL stays what it was.
    :ivar zkb_hold_back: seconds for which a new killmail is not listed.
    """

    limits: bool = True
    r2z2_per_second: int = attrs.field(default=15, validator=attrs.validators.gt(0))
    r2z2_retention: float = 86_400.0
    redisq_bodies: bool = False
    redisq_delay: float = 1.0
    zkb_bodies: bool = True
    zkb_per_second: int = attrs.field(default=10, validator=attrs.validators.gt(0))
    zkb_cache: float = 3_600.0
    zkb_hold_back: float = 300.0

    def change(self, wishes: dict[str, object]) -> None:
        """
        :param wishes: some of the rules, by name.
        :raises ValueError: a name or a type is wrong; nothing is changed.
        """
        now = attrs.asdict(self)
        for name, value in wishes.items():
            if name not in now:
                raise ValueError(f"no such rule: {name!r}; there are {', '.join(now)}")
            numeric = not isinstance(now[name], bool)
            fits = isinstance(value, bool) is not numeric and isinstance(
                value, (bool, int, float)
            )
            if not fits or (numeric and value < 0):  # type: ignore[operator]
                raise ValueError(f"{name} cannot be {value!r}")
        for name, value in wishes.items():
            setattr(self, name, value)
