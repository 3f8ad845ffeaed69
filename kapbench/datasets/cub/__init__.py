"""Caltech-UCSD Birds 200-2011: its tables, its image list, and pairs drawn by a written rule."""
