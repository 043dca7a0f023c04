"""
This server and its peers at the same work, one after the other on the same machine:
``python -m bench.peers``, or ``make bench-peers``.

The load client and the floor, the least that any server has to do, are C (``bench/c``);
the peers are as small as they can be and still do the work. What they do not do: store,
replay, resume. Where a figure means something else for one of them, the table says so.
"""
