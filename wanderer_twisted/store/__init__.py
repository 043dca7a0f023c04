"""
Where killmails are kept: SQLite.
"""
