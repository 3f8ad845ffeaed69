"""Data sets: readers, pair drawing, symmetry tables and downloads; each yields Pairs."""
