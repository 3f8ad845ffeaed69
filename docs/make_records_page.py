"""Writes docs/records.md from the schema of the records table: python docs/make_records_page.py"""

from collections.abc import Iterable
from pathlib import Path

from kapbench.scoring.rules import load_rule, rule_names
from kapbench.scoring.schema import (
    ANNOTATION,
    OF_CIRCLE,
    OF_DECODE,
    OF_GEOMETRY,
    OF_MAP,
    PAIR,
    Column,
    Needs,
)

PAGE = Path(__file__).parent / "records.md"
TEXT = """\
# The run folder

<!-- Written by docs/make_records_page.py from kapbench/scoring/schema.py: edit those, not this page. -->

A finished run is a folder `runs/<data set>.<split>@<revision>/<model>@<revision>/<rules>/<plan>/` of two
files. `run.json`, the run card, says what was run, with every score and its interval; its schema is
`kapbench.running.results.RunCard`. `records.parquet`, the records table, has one row per pair and
source keypoint. Every score is a function of these rows. `kapbench compare` reads `run.json` alone,
and with `--paired` the records too.

```python
import kapbench

result = kapbench.ResultSet.load("runs/…")
result.headline("kap-cvpr24")  # the number that a rule is quoted by
result.scores  # every score, as a table
result.records  # every row
result.card.dataset.remarks  # what was in doubt in the data set's files
```

## The pair and its annotation

Every records table has these columns. The source image always shows the keypoint; the target image
may not.

{pair}

## For each decode

A decode `D` turns a similarity map into a predicted point. A table has these columns once for each
decode of its PCK rules, for example `error_px@sd-dino`. The decodes of the rules that come with kapbench
are {decodes}.

{decode}

Distances to other keypoints are those to the target image's own annotation, whichever keypoints the
source image shows. A mask without a pixel does not count for `extent`, and neither does a box that is
the whole image or exactly the one around the visible keypoints: data sets without boxes have those.
A predicted point outside the image is not on the object. The columns `extent`, `group_error_px`,
`other_error_px` and `on_object` are not in records of scoring versions 1 to 3.

## For each geometry, and each alpha

A geometry `G` says which cells lie in the circle of radius α·T around a keypoint. A table has these
columns once for each geometry of its KAP rules, and those with `α` for each alpha too, for example
`inside@cvpr24@0.10`. The geometries of the rules that come with kapbench are {geometries}.

{geometry}

Scores are those that the model returned, before a rule rescales them. The geometry `neurips25` puts an
absent keypoint at the point (0, 0), as the published code does, and so gives it both scores.

## Members of the part

Every records table has this column, once, but for those of scoring versions 1 to 4.

{map}

The part of a keypoint is its part group; of a keypoint without a group, the keypoint and its mirror
counterpart. A member's similarity is that of the cell whose centre is nearest to it, so members that
share a cell are equally similar ([metrics.md](metrics.md#the-right-part-and-the-right-one-of-its-kind)).

## Types

Text is stored as strings and read as pandas categories; all other columns have the same type in the
file and in memory. Pixels are continuous, x to the right and y downwards.
"""


def page() -> str:
    kap, pck = ([load_rule(n) for n in rule_names() if n.startswith(m)] for m in ("kap", "pck"))
    needs = [Needs.of([*kap, *pck], supervised) for supervised in (False, True)]
    decodes = dict.fromkeys(f"`{d.key}`" for each in needs for d in each.decodes)
    return TEXT.format(
        pair=_table([*PAIR, *ANNOTATION]),
        decodes=", ".join(sorted(decodes)),
        decode=_table(OF_DECODE),
        geometries=", ".join(f"`{geometry.key}`" for geometry, _ in needs[0].geometries),
        geometry=_table([*OF_GEOMETRY, *OF_CIRCLE]),
        map=_table(OF_MAP),
    )


def _table(columns: Iterable[Column]) -> str:
    lines = [
        "| column | type | unit | meaning | where there is no value |",
        "|---|---|---|---|---|",
    ]
    lines += [f"| `{c.heading}` | {c.type} | {c.unit} | {c.meaning} | {c.empty} |" for c in columns]
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
