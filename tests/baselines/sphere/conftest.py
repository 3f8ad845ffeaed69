import pytest
from toy_backbone import ToyData, ToyEncoder


@pytest.fixture(scope="session")
def toy_data() -> ToyData:
    return ToyData()


@pytest.fixture(scope="session")
def new_encoder() -> type[ToyEncoder]:
    """The class: tests count what each of theirs has encoded."""
    return ToyEncoder
