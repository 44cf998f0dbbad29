"""The load generator: what `load`, `check` and `bench` send, and the proof afterwards.

line.py       one TLS connection that is kept: send bytes, parse an answer, nothing else
mixes.py      which bytes: create, collect, refund, read
engine.py     when: open loop (Poisson, latency from the intended time) and closed loop
figures.py    latencies -> percentiles; the document of a run
merchants.py  many merchants with keys, and how skewed they are
preflight.py  what is refused before anything is sent
proof.py      every acknowledged payment is in the database exactly once, and the books balance
service.py    the service's own figures: /metrics and PostgreSQL's statistics
store.py      the SQL of all this
running.py    one run from beginning to end

It shares the machine with the service, so a request has to be cheap: one process, raw sockets,
epoll, bytes that are made beforehand, and no more parsing than a status and a length.
"""
