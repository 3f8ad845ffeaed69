"""SOCO (Dünkel et al. 2026): 100 categories, pairs within a category and across related ones."""
