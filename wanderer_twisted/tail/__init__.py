"""
``wanderer-tail``: follows a stream from a terminal or a script, as any client does. It
knows the wire (docs/protocol.rst) and nothing of the server's inside.
"""
