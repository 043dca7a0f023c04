"""
The public HTTP surface. Knows no upstream.
"""
