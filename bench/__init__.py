"""
The figures of docs/performance.rst, measured: ``python -m bench`` runs all of them,
``python -m bench.NAME`` one. Beside others it is measured by ``python -m bench.peers``.

The server is a process of its own, built as ``twistd`` builds it; its clients are
others. Killmails are real: ``--data FILE`` names them, else it is those that the
package ships. Where more are needed than there are, they are repeated under new ids.
"""
