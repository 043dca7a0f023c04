"""
One stream: what it has seen, what comes next. Knows no HTTP.
"""
