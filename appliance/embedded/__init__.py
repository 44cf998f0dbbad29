"""The embedded appliance: the whole of RizzPay on one machine, from one command.

__main__.py       `python -m appliance.embedded serve`: options and exit status
serving.py        the order in which everything starts
supervisor.py     starts programs, waits until they are ready, brings back what dies, stops all
programs.py       one program: how it is started, tied to its parent's life, and stopped
layout.py         the data directory and the directory of the sockets
lock.py           one appliance a data directory
preflight.py      what has to be there before anything starts
accounts.py       PostgreSQL and HAProxy do not run as root
postgres.py, valkey.py, softhsm.py, proxy.py, certificates.py    one part each
settings.py       rizzpay.toml
merchant.py       the merchant of the demonstration and its key
demonstration.py  a payment through the front door, over HTTPS like anybody's

It is a small appliance, not a mock of one: the same migrations, processes and code paths as
in production. Not for production: one disk, and a token that is a directory of files.
"""
