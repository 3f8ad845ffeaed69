"""One line for each of many runs: its sentence, its losses, its skills."""

from collections.abc import Sequence

from kapbench.running.diagnosis.run_diagnosis import RunDiagnosis
from kapbench.scoring.diagnosis.skills import KAP, PCK, SKILL
from kapbench_leaderboard.comparison.controls import is_control
from kapbench_leaderboard.diagnosis import words
from kapbench_leaderboard.diagnosis.load import Named
from kapbench_leaderboard.diagnosis.one_run import NO_ABSENT, SHORT, notes, rules, title
from kapbench_leaderboard.diagnosis.page import Block, Column, Page, Row, cell
from kapbench_leaderboard.tables.columns import Cell

_SKILLS = {
    "absence_auroc": ("absence", "AUROC"),
    "absence_auroc.absent_with_twin": ("counterpart", "visible"),
    PCK.key: ("PCK",),
    "kap.visible": ("KAP,", "visible"),
}


def overview(named: Sequence[Named]) -> Page:
    """Of runs that may be compared and have a KAP: models by KAP, the best first, then controls."""
    ordered = sorted(
        named, key=lambda n: (is_control(n.diagnosis.card), -n.diagnosis.overall.kap, n.label)
    )
    first = ordered[0].diagnosis
    types = first.types
    columns = [
        *(Column(m.key, (m.words.removeprefix("KAP ") or m.words,)) for m in (KAP, SKILL)),
        *(Column(f"loss.{name}", SHORT[name]) for name in types),
        *(Column(key, heading) for key, heading in _SKILLS.items()),
    ]
    rows = [
        Row(
            each.label,
            each.label,
            (
                *(_number(each.diagnosis, key) for key in (KAP.key, SKILL.key)),
                *(_loss(each.diagnosis, name) for name in types),
                *(_number(each.diagnosis, key) for key in _SKILLS),
            ),
        )
        for each in ordered
    ]
    sentences = tuple(f"{each.label}: {each.diagnosis.sentence}" for each in ordered)
    block = Block(
        "runs", "KAP, what is lost to each type, and skills", "model", tuple(columns), tuple(rows)
    )
    head = (title(first, f"{len(ordered)} entries"), rules(first))
    below = (words.LOST, *notes([each.diagnosis for each in ordered]))
    return Page(sentences, head, (block,), below)


def _number(diagnosis: RunDiagnosis, key: str) -> Cell:
    return Cell(cell(diagnosis.measures[key].mean(), NO_ABSENT).value, reason=NO_ABSENT)


def _loss(diagnosis: RunDiagnosis, name: str) -> Cell:
    return Cell(
        cell(diagnosis.overall.loss("share", name).mean(), words.NO_SCORE).value,
        reason=words.NO_SCORE,
    )
