"""Writes docs/rules.md from the rules that kapbench ships: python docs/make_rules_page.py"""

from pathlib import Path

from kapbench.scoring.rules import PREFERRED_RULES, Rule, load_rule, rule_names

PAGE = Path(__file__).parent / "rules.md"
RULES = Path(__file__).parents[1] / "kapbench" / "scoring" / "rules"
TEXT = """\
# The rules

<!-- Written by docs/make_rules_page.py from kapbench/scoring/rules: edit those, not this page. -->

Every rule that kapbench ships, with its hash and its whole file. [Rules](concepts/rules.md) says what
a rule is and which one to report, [What is measured](metrics.md) what each choice means and how much
it changes.

{table}

The hash covers every choice; summary, source, notes and input are not part of it. A rule of your own
is a file of the same form: `--rule my_rule.json`. The fields are documented in
`kapbench/scoring/rules.py` and `kapbench/scoring/decodes.py`.

[Other people's rules](published-rules.md) says how to measure what OmniProbe, SOCO, Probe3D, CHM, DHPF
and CATs published, and how any PCK rule takes a soft-argmax.

{sections}
"""


def page() -> str:
    rules = sorted(map(load_rule, rule_names()), key=_place)
    rows = [
        f"| [`{r.name}`](#{r.name}) | {r.metric.upper()} | `{r.hash}` | {r.summary} |"
        for r in rules
    ]
    table = "\n".join(["| rule | metric | hash | what it is |", "|---|---|---|---|", *rows])
    return TEXT.format(table=table, sections="\n\n".join(map(_section, rules)))


def _place(rule: Rule) -> tuple[str, int, str]:
    """KAP before PCK; the rules that tables show come first."""
    preferred = PREFERRED_RULES[rule.metric]
    place = preferred.index(rule.name) if rule.name in preferred else len(preferred)
    return rule.metric, place, rule.name


def _section(rule: Rule) -> str:
    average, over = rule.headline
    facts = [
        f"{rule.summary}.",
        f"Reported by its average per {average}, over categories: {over.replace('_', ' ')}.",
        f"Source: {rule.source}.",
        "\n".join(f"* {note}" for note in rule.notes),
        f"```json\n{(RULES / f'{rule.name}.json').read_text(encoding='utf-8').strip()}\n```",
    ]
    return f"## {rule.name}\n\n" + "\n\n".join(fact for fact in facts if fact)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
