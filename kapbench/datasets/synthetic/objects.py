"""The four kinds of object.

A builder draws its proportions from a generator and wears marks as the knob says. Keypoints have
names: `L` and `R` in front make twins, and twins that differ by a last digit are one repeated part.
"""

from kapbench.datasets.synthetic.aeroplane import aeroplane
from kapbench.datasets.synthetic.car import car
from kapbench.datasets.synthetic.chair import chair
from kapbench.datasets.synthetic.keypoints import Builder
from kapbench.datasets.synthetic.quadruped import quadruped

BUILDERS: dict[str, Builder] = {
    "aeroplane": aeroplane,
    "car": car,
    "chair": chair,
    "quadruped": quadruped,
}
