"""
What we pull from: the live feeds, zKillboard's lists, ESI's bodies and names.
"""
