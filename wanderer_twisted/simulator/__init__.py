"""
A stand-in for the upstream services that plays real killmails, with faults.

``world.py`` is the state and its commands, ``player.py`` the pace; ``r2z2.py`` with
``archive.py``, ``redisq.py``, ``zkillboard.py`` and ``esi.py`` answer as those services
do (``exchange.py``: what is asked, what is answered), each below its own path;
``front.py`` is the web in front of them, where faults come in, and ``control.py`` the
commands over HTTP. ``service.py`` puts them together for ``wanderer-sse --demo`` and
tests, ``tap.py`` for ``twistd wanderer-simulator``.
"""
