"""The metrics for training loops are the functions, batch by batch and rank by rank."""

import pickle
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

import kapbench
from kapbench.errors import KapbenchError

pytest.importorskip("torchmetrics", reason="needs the extra torchmetrics")
from kapbench.torchmetrics import KeypointAveragePrecision, PercentageOfCorrectKeypoints

KAP_RULES = ("kap-cvpr24", "kap-neurips25", "kap-neurips25-fixed", "kap-v1")
PCK_RULES = ("pck-sd-dino", "pck-geoaware", "pck-geoaware-soft", "pck-v1")


def pairs(n=9, seed=0):
    """Maps with ties, points of which some are absent; sizes that differ."""
    rng = np.random.default_rng(seed)
    maps, points = [], []
    for _ in range(n):
        q = int(rng.integers(1, 6))
        maps.append(rng.integers(0, 9, (q, 6, 6)).astype(np.float32) / 8)
        xy = rng.uniform(0, 60, (q, 2))
        xy[rng.random(q) < 0.3] = np.nan
        points.append(xy)
    sizes = rng.uniform(20, 60, n)
    return maps, points, sizes.tolist(), [(60, 40 + 5 * (i % 3)) for i in range(n)]


def batches(columns, edges=(0, 4, 5, 9)):
    for start, end in pairwise(edges):
        yield [column[start:end] for column in columns]


@pytest.mark.parametrize("rule", KAP_RULES + PCK_RULES)
@pytest.mark.parametrize("alpha", [0.1, 0.3])
def test_equal_to_the_function_in_every_rule(rule, alpha):
    kind, function = (
        (KeypointAveragePrecision, kapbench.kap)
        if rule in KAP_RULES
        else (PercentageOfCorrectKeypoints, kapbench.pck)
    )
    columns = pairs()
    metric = kind(rule=rule, alpha=alpha)
    for batch in batches(columns):
        metric.update(*batch)
    assert float(metric.compute()) == function(*columns, rule=rule, alpha=alpha)


def test_tensors_are_taken():
    maps, points, sizes, images = pairs()
    one, two = KeypointAveragePrecision(), KeypointAveragePrecision()
    one.update(maps, points, sizes, images)
    as_tensors = [torch.tensor(m, requires_grad=True).bfloat16() for m in maps]
    two.update(as_tensors, [torch.tensor(p) for p in points], torch.tensor(sizes), images)
    assert float(one.compute()) == float(two.compute())  # eighths are exact in bfloat16


def test_categories_are_averaged():
    columns = pairs(8)
    metric = KeypointAveragePrecision()
    metric.update(*columns, category=[0, 1] * 4)
    single = [kapbench.kap(*[column[c::2] for column in columns]) for c in (0, 1)]
    assert float(metric.compute()) == pytest.approx(np.mean(single), abs=1e-12)


def test_a_pair_that_a_sampler_repeats_counts_once():
    columns = pairs()
    metric = KeypointAveragePrecision()
    metric.update(*columns, pair_id=range(9))
    metric.update(*[column[:2] for column in columns], pair_id=[0, 1])
    assert float(metric.compute()) == kapbench.kap(*columns)
    metric.reset()
    with pytest.warns(UserWarning, match="before the ``update``"):
        assert torch.isnan(metric.compute())


KINDS = {KeypointAveragePrecision: kapbench.kap, PercentageOfCorrectKeypoints: kapbench.pck}
IDS = {"no id": [None] * 3, "ids": [range(4), range(4, 5), range(5, 9)]}
IDS["some ids"] = [range(4), None, range(5, 9)]


def filled(kind, add, ids=(None,) * 3):
    """A metric that has seen all pairs in three batches, by one of its methods."""
    metric = kind(alpha=0.3)
    for batch, pair_id in zip(batches(pairs()), ids, strict=True):
        getattr(metric, add)(*batch, pair_id=pair_id)
    return metric


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("ids", "full"), [*((i, False) for i in IDS.values()), (IDS["some ids"], True)]
)
def test_forward_accumulates_what_update_does(kind, ids, full, monkeypatch):
    monkeypatch.setattr(kind, "full_state_update", full)  # torchmetrics has two ways to do it
    expected = pytest.approx(KINDS[kind](*pairs(), alpha=0.3), abs=1e-12)
    assert float(filled(kind, "update", ids).compute()) == expected
    assert float(filled(kind, "forward", ids).compute()) == expected


def test_forward_returns_the_batchs_own_score():
    metric = KeypointAveragePrecision(alpha=0.3)
    for batch in batches(pairs()):
        assert float(metric(*batch)) == kapbench.kap(*batch, alpha=0.3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ids", [IDS["no id"], IDS["some ids"]])
@pytest.mark.parametrize("state", ["metric", "dictionary", "computed before", "synchronised"])
def test_merged_metrics_are_one_that_saw_everything(kind, ids, state):
    one, two = kind(alpha=0.3), kind(alpha=0.3)
    for i, (batch, pair_id) in enumerate(zip(batches(pairs()), ids, strict=True)):
        (one if i == 1 else two).update(*batch, pair_id=pair_id)
    incoming = two
    if state == "computed before":
        one.compute()
    elif state != "metric":
        rows = torch.cat(two.rows) if state == "synchronised" else list(two.rows)
        incoming = {"rows": rows}
    one.merge_state(incoming)
    assert float(one.compute()) == pytest.approx(KINDS[kind](*pairs(), alpha=0.3), abs=1e-12)


def test_a_metric_that_saw_nothing_takes_the_others_pairs():
    new = KeypointAveragePrecision(alpha=0.3)
    new.merge_state(filled(KeypointAveragePrecision, "update"))
    assert float(new.compute()) == kapbench.kap(*pairs(), alpha=0.3)
    new.merge_state(KeypointAveragePrecision(alpha=0.3))
    assert float(new.compute()) == kapbench.kap(*pairs(), alpha=0.3)


@pytest.mark.parametrize("other", [{"alpha": 0.1}, {"alpha": 0.3, "rule": "kap-v1"}])
def test_metrics_of_other_rules_are_not_merged(other):
    metric = filled(KeypointAveragePrecision, "update")
    with pytest.raises(KapbenchError, match="different rules or alphas"):
        metric.merge_state(KeypointAveragePrecision(**other))


@pytest.mark.parametrize("add", ["update", "forward"])
def test_copies_go_on_alone(add):
    first, second = ([column[s] for column in pairs()] for s in (slice(4), slice(4, 9)))
    metric = KeypointAveragePrecision(alpha=0.3)
    getattr(metric, add)(*first)
    copies = [metric.clone(), pickle.loads(pickle.dumps(metric))]
    metric.reset()
    getattr(metric, add)(*second)
    assert float(metric.compute()) == kapbench.kap(*second, alpha=0.3)
    for copy in copies:
        getattr(copy, add)(*second)
        assert float(copy.compute()) == kapbench.kap(*pairs(), alpha=0.3)
        copy.merge_state(metric)  # anonymous pairs count as often as they were passed
        repeated = [[*column, *column[4:]] for column in pairs()]
        assert float(copy.compute()) == pytest.approx(kapbench.kap(*repeated, alpha=0.3), abs=1e-12)


def test_a_state_dict_brings_the_pairs_back():
    metric, other = filled(KeypointAveragePrecision, "update"), KeypointAveragePrecision(alpha=0.3)
    for each in (metric, other):
        each.persistent(True)
    other.load_state_dict(metric.state_dict())
    other.set_dtype(torch.float16)  # rows keep their precision
    other.update(*[column[:0] for column in pairs()])
    assert float(other.compute()) == float(metric.compute())


def test_ids_may_begin_anew_in_each_category():
    metric = KeypointAveragePrecision(alpha=0.3)
    for category, half in enumerate(batches(pairs(8), (0, 4, 8))):
        metric.update(*half, category=[category] * 4, pair_id=range(4))
    single = [kapbench.kap(*half, alpha=0.3) for half in batches(pairs(8), (0, 4, 8))]
    assert float(metric.compute()) == pytest.approx(np.mean(single), abs=1e-12)


def test_one_id_for_two_pairs_is_refused():
    metric = KeypointAveragePrecision()
    metric.update(*[column[:2] for column in pairs()], pair_id=[0, 0])
    with pytest.raises(KapbenchError, match="same pair_id"):
        metric.compute()


@pytest.mark.parametrize("numbers", [[-1], [0.5], [2**53], [float("nan")], ["0"], [0, 1]])
@pytest.mark.parametrize("name", ["pair_id", "category"])
def test_what_is_no_number_of_a_pair_is_refused(name, numbers):
    metric = KeypointAveragePrecision()
    with pytest.raises(KapbenchError, match=name):
        metric.update(*[column[:1] for column in pairs()], **{name: numbers})
    assert not metric.rows


def test_wrong_rules_and_arrays_are_named():
    with pytest.raises(KapbenchError, match="not a rule for KAP"):
        KeypointAveragePrecision(rule="pck-v1")
    with pytest.raises(KapbenchError, match="from similarity maps alone"):
        PercentageOfCorrectKeypoints(rule="pck-dift")
    maps, points, sizes, images = pairs()
    with pytest.raises(KapbenchError, match="pair 0"):
        KeypointAveragePrecision().update([maps[0] * np.nan], points[:1], sizes[:1], images[:1])


SCRIPT = """
import os
import sys
from pathlib import Path
import torch
sys.path.insert(0, {here!r})
from test_torchmetrics import KeypointAveragePrecision, pairs
torch.distributed.init_process_group("gloo")
rank = torch.distributed.get_rank()
metric = KeypointAveragePrecision()
import warnings
warnings.simplefilter('ignore')  # a rank without pairs is what is tested
for i in range(9):
    if i % 2 == rank and i < {last}:
        add = metric if i % 4 < 2 else metric.update
        add(*[column[i : i + 1] for column in pairs()])
Path(__file__).with_name(f"said{{rank}}").write_text(repr(float(metric.compute())))
torch.distributed.barrier()
torch.distributed.destroy_process_group()
os._exit(0)  # a thread of gloo may outlive the interpreter, and then aborts the process
"""


@pytest.mark.slow
@pytest.mark.parametrize("last", [9, 1])  # with 1, the second rank has seen nothing
def test_two_ranks_agree_with_one(tmp_path, last):
    script = tmp_path / "ranks.py"
    script.write_text(SCRIPT.format(here=str(Path(__file__).parent), last=last))
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--standalone",
            "--nproc-per-node",
            "2",
            str(script),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    expected = kapbench.kap(*[column[:last] for column in pairs()])
    assert [(tmp_path / f"said{rank}").read_text() for rank in (0, 1)] == [repr(expected)] * 2


@pytest.mark.parametrize("size", [400, (400, 300, 3), ("400", "300")])
def test_an_image_size_that_is_none_is_named(size):
    maps, points, sizes, _ = pairs()
    with pytest.raises(KapbenchError, match="image_size") as caught:
        KeypointAveragePrecision().update(maps[:1], points[:1], sizes[:1], [size])
    assert caught.value.place == "pair 0"
