"""Diagnoses to files of figures."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, cast

from kapbench.errors import KapbenchError
from kapbench.running.diagnosis.diagnose_run import diagnosed_rules
from kapbench.running.diagnosis.paired import changes
from kapbench.running.diagnosis.run_diagnosis import RunDiagnosis
from kapbench.running.results import RunCard
from kapbench.scoring.diagnosis.loss_types import TYPES
from kapbench.scoring.diagnosis.skills import KAP
from kapbench.scoring.intervals import Interval
from kapbench.storage import write_atomically
from kapbench_leaderboard.comparison.controls import is_control
from kapbench_leaderboard.diagnosis import words
from kapbench_leaderboard.diagnosis.load import Choice, Named, records_of
from kapbench_leaderboard.figures.loss_values import LossBar, LossChange, LossStep
from kapbench_leaderboard.figures.presentation import PresentationName
from kapbench_leaderboard.figures.run_view import RunView
from kapbench_leaderboard.figures.sources import Format, Output, Sources

Picture = Literal["bars", "waterfall"]
_TWO = 2


def write_picture(
    named: Sequence[Named],
    picture: Picture | None,
    path: Path,
    presentation: PresentationName = "paper",
    *,
    titled: bool = True,
) -> Path:
    """
    Args:
        picture: None: the steps for two runs, else bars.
        titled: Whether the figure has a title.

    Raises:
        KapbenchError: steps of other than two runs, or runs without KAP.
    """
    from kapbench_leaderboard.figures.loss_bars import draw_loss_bars
    from kapbench_leaderboard.figures.loss_waterfall import draw_loss_waterfall
    from kapbench_leaderboard.figures.style import save, styled

    first = named[0].diagnosis
    if first.kap is None:
        raise KapbenchError(
            "KAP is not defined for these runs, and the figure shows what is lost in KAP",
            place=first.card.dataset.name,
            fix="Leave out -o: the table shows where matches lie",
        )
    chosen = picture or ("waterfall" if len(named) == _TWO else "bars")
    if chosen == "waterfall" and len(named) != _TWO:
        raise KapbenchError(
            f"The steps from one run's KAP to another's need two runs, not {len(named)}",
            place="--figure waterfall",
            fix="Name two runs, or leave out --figure",
        )
    notes = [words.MERGED] if first.of_split["all"].missing else []
    with styled(presentation, titled=titled):
        if chosen == "waterfall":
            figure = draw_loss_waterfall(change_of(*named), _subject(first), notes=notes)
        else:
            figure = draw_loss_bars([*map(_bar, named)], _subject(first), notes=notes)
        return save(figure, path)


def _subject(diagnosis: RunDiagnosis) -> str:
    from kapbench_leaderboard.figures.captions import data_words, rule_words

    data = data_words(diagnosis.card.dataset)
    return (
        data if diagnosis.kap is None else f"{data}: {rule_words(diagnosis.kap, diagnosis.alpha)}"
    )


def _bar(named: Named) -> LossBar:
    diagnosis = named.diagnosis
    kap = diagnosis.measures[KAP.key].mean()
    shares = {name: diagnosis.overall.loss("share", name).mean().value for name in TYPES}
    span = (kap.low, kap.high) if not math.isnan(kap.low) else None
    return LossBar(named.label, kap.value, span, shares, is_control(diagnosis.card))


def change_of(before: Named, after: Named) -> LossChange:
    """What each type adds to KAP: what is lost to it before, less what is lost to it after."""
    of_types = [
        change
        for change in changes(before.diagnosis, after.diagnosis)
        if change.kind == "loss" and change.group.number is None and change.group.split == "all"
    ]
    steps = [LossStep(c.name, _negative(c.difference), c.p) for c in of_types]
    reason = next((c.no_interval for c in of_types if c.no_interval is not None), None)
    kap = [each.diagnosis.overall.kap for each in (before, after)]
    return LossChange(before.label, after.label, kap[0], kap[1], steps, reason)


def _negative(interval: Interval) -> Interval:
    return Interval(-interval.value, interval.error, interval.freedom, "plain", interval.n_images)


def write_worst(
    runs: Mapping[Path, RunCard],
    choice: Choice,
    error_type: str,
    n_pairs: int,
    sources: Sources,
    path: Path | None,
    presentation: PresentationName = "paper",
    *,
    titled: bool = True,
) -> Iterator[Path]:
    """The pairs of one run where a type of error costs most.

    Args:
        path: None: a file in the folder pictures.

    Raises:
        KapbenchError: several runs, no such type, or a data set that cannot be loaded.
    """
    from kapbench_leaderboard.figures.worst_of_type import draw_worst_of_type

    if len(runs) != 1:
        raise KapbenchError(
            f"--worst draws pairs of one run, and {len(runs)} are named",
            place=", ".join(dict.fromkeys(card.model.name for card in runs.values())),
            fix="Name one run; --dataset and --category choose among runs of one name",
        )
    ((place, card),) = runs.items()
    kap, pck = diagnosed_rules(card, choice.rules)
    view = RunView(card, records_of(place), kap, pck, choice.alpha)
    if path is None:
        output = Output(Path("pictures"), presentation=presentation, titled=titled)
        yield from draw_worst_of_type(view, error_type, sources, output, n_pairs)
        return
    how = cast("Format", path.suffix.lower().removeprefix("."))
    with TemporaryDirectory() as folder:
        output = Output(Path(folder), how, presentation, titled)
        (drawn,) = draw_worst_of_type(view, error_type, sources, output, n_pairs)
        write_atomically(path, drawn.read_bytes())
    yield path
