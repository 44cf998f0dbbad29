"""Compares a plan with the machine that runs: findings, each with the file to look at."""
