"""A diagnosis in a few lines: for a prompt, and for a notebook."""

from collections.abc import Iterator
from html import escape

from kapbench.running.diagnosis.run_diagnosis import RunDiagnosis
from kapbench.running.diagnosis.sentence import points
from kapbench.scoring.diagnosis.quantity import Quantity
from kapbench.shown_text import escape_hidden


def lines_of(diagnosis: RunDiagnosis) -> list[str]:
    """The run, its sentence, and what is lost to each type; without KAP, where matches lie."""
    lines = [f"RunDiagnosis: {_heading(diagnosis)}", f"  {diagnosis.sentence}"]
    numbers = [(points(quantity.mean().value), name) for name, quantity in _numbers(diagnosis)]
    lines.append(f"  {_about(diagnosis)}:")
    lines += [f"  {number:>5}  {name}" for number, name in numbers]
    lines.append("  Tables: .losses, .places, .skills")
    return [escape_hidden(line) for line in lines]


def html_of(diagnosis: RunDiagnosis) -> str:
    """The same as a table; all texts are escaped."""
    rows = "".join(
        f'<tr><th scope="row">{_text(name)}</th><td>{points(quantity.mean().value)}</td></tr>'
        for name, quantity in _numbers(diagnosis)
    )
    return (
        f"<p><strong>{_text(diagnosis.sentence)}</strong></p>"
        f"<table><caption>{_text(_heading(diagnosis))}<br><small>{_about(diagnosis)}</small>"
        f"</caption><tbody>{rows}</tbody></table>"
    )


def _heading(diagnosis: RunDiagnosis) -> str:
    model, data = diagnosis.card.model, diagnosis.card.dataset
    return f"{model.name}@{model.revision} on {data.name}@{data.revision}, split {data.split}"


def _about(diagnosis: RunDiagnosis) -> str:
    return "Share of matches, ×100" if diagnosis.kap is None else "Points of KAP lost"


def _numbers(diagnosis: RunDiagnosis) -> Iterator[tuple[str, Quantity]]:
    group = diagnosis.overall
    if diagnosis.kap is None:
        yield from ((name, group.place(name)) for name in diagnosis.place_names)
    else:
        yield from ((name, group.loss("share", name)) for name in diagnosis.types)


def _text(text: str) -> str:
    return escape(escape_hidden(text))
