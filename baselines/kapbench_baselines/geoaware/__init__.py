"""Telling Left from Right (Zhang et al., CVPR 2024): pose alignment, and a supervised head."""
