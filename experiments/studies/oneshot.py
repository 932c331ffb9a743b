"""Can a supernet, or a number of the untrained network, tell which plans are worth training?"""

from experiments.studies.table import base_method
from experiments.study import OneShotStudy

STUDY = OneShotStudy(
    question="How well do plans' scores with shared weights rank them as training them alone does?",
    protocol=(
        "One supernet is trained for all plans of the space: each step trains one of them, drawn at random, on both "
        "directions of a pair, by the recipe by which plans are trained alone.",
        "Every plan is scored with the shared weights on some val pairs. The best by that score, and others drawn at "
        "random, are trained alone with the same seeds, on the same pairs in the same order, and judged by val Dice.",
        "A selection on val: test is never looked at.",
    ),
    base=base_method,
)
