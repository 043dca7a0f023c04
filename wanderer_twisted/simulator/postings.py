"""
What the simulated services publish, and what is asked of them.
"""

from hashlib import sha1

import attrs

from wanderer_twisted.encoding import timestamp
from wanderer_twisted.simulator.data import Template


@attrs.define(eq=False)
class Posting:
    """
    A killmail as published.

    :ivar kill_time: UNIX seconds.
    :ivar published_at: UNIX seconds.
    """

    killmail_id: int
    kill_time: int
    published_at: float
    template: Template = attrs.field(repr=False)

    @property
    def hash(self) -> str:
        template = self.template
        if self.killmail_id == template.killmail_id:
            return template.hash
        return sha1(b"%d:%b" % (self.killmail_id, template.hash.encode())).hexdigest()

    def esi(self) -> bytes:
        """
        ESI's body.
        """
        template = self.template
        time = timestamp(self.kill_time).replace(".000Z", "Z").encode()
        old_id = b'"killmail_id":%d' % template.killmail_id
        old_time = b'"killmail_time":"%b"' % template.time
        body = template.body.replace(old_id, b'"killmail_id":%d' % self.killmail_id, 1)
        return body.replace(old_time, b'"killmail_time":"%b"' % time, 1)

    def zkb(self) -> bytes:
        """
        zKillboard's block, as its API gives it.
        """
        old = self.template.hash.encode()
        return self.template.zkb.replace(old, self.hash.encode(), 1)


@attrs.define
class Slot:
    """
    A sequence of R2Z2.

    :ivar posting: None in a null placeholder.
    :ivar visible_from: UNIX seconds; infinity where the file never appears.
    """

    sequence: int
    posting: Posting | None
    uploaded_at: float
    visible_from: float


@attrs.define
class Logged:
    """
    A request to one of the services.

    :ivar at: UNIX seconds, when it came in.
    :ivar status: 0 while, or because, no answer was sent.
    """

    at: float
    service: str
    method: str
    path: str
    address: str
    status: int = 0
