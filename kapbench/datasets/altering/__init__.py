"""Data sets with one thing changed, e.g. pairs reversed: the name stays, the revision says it."""
