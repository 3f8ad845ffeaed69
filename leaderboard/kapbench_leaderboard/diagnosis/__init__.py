"""The pages of `kapbench diagnose`: sentences, blocks of numbers, notes, and their formats."""
