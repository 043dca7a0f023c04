"""
The API as documents for machines: OpenAPI and AsyncAPI.

A route is described by one entry in :mod:`operations
<wanderer_twisted.web.description.operations>`; what it takes and answers comes from
where the code checks and makes it. Tests hold every entry against what really answers.
"""
