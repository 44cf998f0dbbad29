"""Our HTTP server: gunicorn's processes, llhttp's parser, one greenlet a connection, one send.

parsing    bytes to WSGI environs; refuses what two readers could understand differently
answering  what the application says to the bytes of an answer; our own refusals
connection one connection from its first byte to its last
worker     the gunicorn worker: accepts, watches the clock, stops without losing a request
"""
