"""`bench`: our payments against pgbench, on one PostgreSQL, in one run, alternating.

appliance.py   a small appliance of its own, from the clone, in a temporary directory
pgbench.py     TPC-B-like at its best of 8, 16 and 32 clients
rounds.py      what a round measures, and how the rounds become figures
table.py       the issue's table: bar, goal, measured, verdict
"""
