"""The leaderboard as static pages, made from the folder of entries."""
