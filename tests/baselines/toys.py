"""The sphere's toy data set and encoder for other tests, by import and by spec."""

import importlib.util
from pathlib import Path

TOY = Path(__file__).parent / "sphere" / "conftest.py"
_spec = importlib.util.spec_from_file_location("sphere_toys", TOY)
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)
ToyData, ToyEncoder, paint = _module.ToyData, _module.ToyEncoder, _module.paint


def words(tmp_path: Path, *more: str) -> list[str]:
    """A command line that trains on the toys."""
    return [
        "--backbone", f"{TOY}:ToyEncoder", "--dataset", f"{TOY}:ToyData", "--steps", "4",
        "--batch", "4", "--validate-every", "2", "--precision", "fp32",
        "--cache", str(tmp_path / "cache"), "--out", str(tmp_path / "out"), *more,
    ]  # fmt: skip
