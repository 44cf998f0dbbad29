"""Writes a plan as the files that programs read. Pure: a plan in, paths and texts out."""
