"""Tables of an ablation: main effects, importance, interactions, and the steps of its paths."""

import pandas as pd

from reports.analysis.ablation import Ablation
from reports.statistics.importance import LEVEL
from reports.tables.table import Table, caption
from reports.wording import between, count, number, probability


def effects(ablation: Ablation) -> Table:
    """Mean gain by level of every setting."""
    numbers = ablation.effects
    shown = pd.DataFrame(
        {
            "What": numbers["setting"] + ": " + numbers["level"],
            "Part": numbers["part"],
            "Over": numbers["basis"],
            "Step": numbers["step"].map(count),
            "Candidates": numbers["candidates"].map(count),
            "Mean gain": [number(value, 4, signed=True) for value in numbers["mean"]],
            "95 % interval": [
                between(low, high, 4, signed=True) for low, high in zip(numbers["low"], numbers["high"], strict=True)
            ],
        }
    )
    text = caption("Candidates of one level differ in the other settings too.", ablation.records)
    return Table(title="Main effects", caption=text, numbers=numbers, shown=shown)


def importances(ablation: Ablation) -> Table:
    """Importance of every setting, by both methods, beside chance."""
    numbers = ablation.shares
    return Table(
        title="Importance",
        caption=caption(f"At step {ablation.step}; chance: the largest of 95 in 100 shuffles.", ablation.records),
        numbers=numbers,
        shown=_beside_chance(numbers, numbers["setting"], Method=numbers["method"]),
    )


def interactions(ablation: Ablation) -> Table:
    """What every pair of settings adds."""
    numbers = ablation.pairs.sort_values(["part", "importance"], ascending=False, kind="stable")
    return Table(
        title="Pairwise interactions (fANOVA)",
        caption=caption(f"At step {ablation.step}; chance: the largest of 95 in 100 shuffles.", ablation.records),
        numbers=numbers,
        shown=_beside_chance(numbers, numbers["first"] + " with " + numbers["second"]),
    )


def _beside_chance(numbers: pd.DataFrame, names: "pd.Series[str]", **columns: "pd.Series[str]") -> pd.DataFrame:
    return pd.DataFrame(
        {
            "What": names,
            "Part": numbers["part"],
            **columns,
            "Importance": [number(float(value), 4) for value in numbers["importance"]],
            "By chance": [number(float(value), 4) for value in numbers["chance"]],
            "p": [probability(float(value)) for value in numbers["p_value"]],
            "Verdict": ["above chance" if value <= LEVEL else "not shown" for value in numbers["p_value"]],
        }
    )


def path(ablation: Ablation) -> Table:
    """Every step of the paths, with what would have to be trained to close their gaps."""
    tables = [path.steps.assign(path=f"{path.start} to {path.end}") for path in ablation.paths if len(path.steps)]
    columns = ["path", "configuration", "change", "gain", "final"]
    numbers = pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)
    gains = numbers[["gain", "final"]].astype(float)
    shown = pd.DataFrame(
        {
            "Configuration": numbers["configuration"],
            "What": numbers["change"],
            f"Gain at step {ablation.step}": [number(value, 4, signed=True) for value in gains["gain"]],
            "Final gain": [number(value, 4, signed=True) for value in gains["final"]],
        }
    )
    shown = shown.replace("not measured", "not trained")
    text = caption("Rows without a gain are what a study would have to train to close the path.", ablation.records)
    return Table(title="Ablation paths", caption=text, numbers=numbers, shown=shown, groups=tuple(numbers["path"]))


def ablation_tables(ablation: Ablation) -> dict[str, Table]:
    """Every table by the name of its file."""
    made = {"effects": effects, "importance": importances, "interactions": interactions, "path": path}
    return {name: table(ablation) for name, table in made.items()}
