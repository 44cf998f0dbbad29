"""The HSM: one daemon that speaks PKCS#11, and the client that everybody else uses.

token.py      the token behind PKCS#11; the only importer of pkcs11; no sockets
daemon.py     rizzpay-hsmd: one native thread, a Unix socket, the PIN and the session
client.py     what API workers, the worker and the command line call; no PKCS#11
protocol.py   the messages between the two
inventory.py  hsm/keys.toml and the meaning of a label
checking.py   what `rizzpay keys verify` compares the token with
"""
