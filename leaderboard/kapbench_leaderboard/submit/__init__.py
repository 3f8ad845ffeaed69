"""Submissions to the leaderboard: prepared, checked against their own records, run again."""
