"""
wanderer-sse: EVE Online killmails as server-sent events, each once.
"""

__version__ = "0.1.0"

#: Named in ``connected``, in the ``Server`` header and in our ``User-Agent``.
SERVER_NAME = f"wanderer-sse/{__version__}"
