"""`check`: does this box hold the target, with what head-room, and what would stop it first?

levels.py     runs: the target in open loop, and a ladder of connections in closed loop
judging.py    pass or fail, head-room, bottleneck, what other boxes would do; pure
"""
