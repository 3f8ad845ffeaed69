"""PF-PASCAL, PF-WILLOW and WILLOW-ObjectClass: annotations from MATLAB files."""
