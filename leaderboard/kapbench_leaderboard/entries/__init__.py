"""Accepted results on the leaderboard: their schema, and reading files that strangers wrote."""
