"""QR codes that stand for longer than one payment, and the money that comes by them.

model      a code as a value, and how it ends
crediting  what becomes of money that came by a code; the writer lets it decide under its lock
making     what the image of a new code says, signed where that is set
store      the statements
service    the use cases of merchants, and the end of a code whose time is up
"""
