"""
The killmails on disk: an :class:`~wanderer_twisted.interfaces.IKillmailStore` on
SQLite.
"""
