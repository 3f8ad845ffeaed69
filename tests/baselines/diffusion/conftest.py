import pytest
from tiny_diffusion import tiny_pipeline


@pytest.fixture(scope="session")
def v15(tmp_path_factory):
    return tiny_pipeline(tmp_path_factory.mktemp("sd"), "v15")


@pytest.fixture(scope="session")
def v21(tmp_path_factory):
    return tiny_pipeline(tmp_path_factory.mktemp("sd"), "v21")
