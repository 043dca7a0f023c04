"""
A stand-in for the upstream services that plays real killmails, with faults.
"""
