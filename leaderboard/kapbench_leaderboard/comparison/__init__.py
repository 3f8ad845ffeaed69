"""Which runs may be compared, and by how much they differ: groups, resamples, significance."""
