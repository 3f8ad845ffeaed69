"""Converts the exports of annotation tools to a manifest: readers, grouping, and writing."""
