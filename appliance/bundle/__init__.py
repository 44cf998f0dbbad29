"""One signed file with everything that an installation needs, for servers without any network.

`build` collects it where there is a network, `verify` and `install` need none. These two need
Python and its cryptography alone; `build` needs the development packages.
"""
