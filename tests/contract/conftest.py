"""Modules of this folder, and the pictures of the baselines' tests, are importable by name."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "baselines")]
