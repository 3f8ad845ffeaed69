"""Puts this folder's tiny data set and models (tiny_world) within reach of its tests."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
