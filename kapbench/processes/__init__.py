"""Processes: who owns what, how they are stopped, what they leave, and the jail for others' code."""
