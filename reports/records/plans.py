"""Plans as the records write them: which paths a plan reads, which stages are dead, and what plans are called.

Reports read records alone and import nothing of the networks, so what they must know of a plan stands here once more;
a test holds it to the networks' own.
"""

DEAD = "-"
STAGES = (1, 2, 3, 4, 5, 6, 7)
FEEDS = {1: (2, 7), 2: (3, 6), 3: (4, 5), 4: (5,), 5: (6,), 6: (7,), 7: ()}
"""Which stages each stage's output goes to: the next one, and the one across the U-Net."""
OPERATORS = {"j": "joint", "s": "single", "g": "gate", "c": "correlation", "d": "difference", "p": "sum", DEAD: "dead"}
NAMED_PLANS = {"jjjjjjj": "early", "ssssjjj": "middle", "------s": "late", "ggggggg": "AutoFuse"}
_READ_JOINT, _READ_SINGLE = "jgp", "sgcdp"


def reads_joint(symbol: str) -> bool:
    """Whether an operator reads the joint feature; one that is not known is taken to read everything."""
    return symbol != DEAD and (symbol in _READ_JOINT or symbol not in OPERATORS)


def reads_single(symbol: str) -> bool:
    """Whether an operator reads the features of the fixed and the moving image."""
    return symbol != DEAD and (symbol in _READ_SINGLE or symbol not in OPERATORS)


def is_plan(text: object) -> bool:
    """Whether a text has a symbol for every stage."""
    return isinstance(text, str) and len(text) == len(STAGES)


def canonical(plan: str) -> str:
    """The plan with every stage whose output nothing reads printed as dead."""
    live: set[int] = set()
    for stage in reversed(STAGES):
        if stage == STAGES[-1] or any(to in live and reads_joint(plan[to - 1]) for to in FEEDS[stage]):
            live.add(stage)
    return "".join(symbol if stage in live else DEAD for stage, symbol in zip(STAGES, plan, strict=True))


def joint_stages(plan: str) -> frozenset[int]:
    """Stages of the joint path that are computed."""
    return frozenset(stage for stage in STAGES if reads_joint(plan[stage - 1]))


def single_stages(plan: str) -> frozenset[int]:
    """Stages of the fixed and the moving path that are computed: those that an operator reads, and what leads there."""
    needed = {stage for stage in STAGES if reads_single(plan[stage - 1])}
    for stage in reversed(STAGES):
        if any(to in needed for to in FEEDS[stage]):
            needed.add(stage)
    return frozenset(needed)
