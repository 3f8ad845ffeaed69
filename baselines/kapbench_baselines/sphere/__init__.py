"""Spherical maps (Mariotti, Mac Aodha, Bilen, CVPR 2024) over any encoder: train and use."""
