"""Every data set that is registered has a name for readers."""

from kapbench import registry
from kapbench_leaderboard.tables.dataset_names import display_name


def test_the_benchmarks_own_spelling():
    assert display_name("spair") == "SPair-71k"
    assert display_name("coco.mine") == "coco.mine"


def test_no_registered_data_set_is_forgotten():
    for name in registry.names("datasets"):
        if not name.endswith(":"):
            assert display_name(name) != name, name
