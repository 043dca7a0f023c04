"""
Real clients against a real server: ``python -m tests.clients``, or ``make
test-clients``. What comes of it is in docs/clients.rst.
"""
