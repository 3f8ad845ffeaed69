"""Models as an outside author would write them: found through entry points only."""
