"""The click commands that this package adds to `kapbench`: compare, show, site and submit."""
