"""Turns a machine and a target into a plan. Pure: values in, values out, no clock and no file."""
