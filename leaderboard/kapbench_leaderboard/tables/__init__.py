"""Tables of runs: columns, cells, notes, and the formats they are written in."""
