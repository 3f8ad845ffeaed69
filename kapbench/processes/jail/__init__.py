"""Runs code that is not trusted in processes of its own, with limits, apart from network and files."""
