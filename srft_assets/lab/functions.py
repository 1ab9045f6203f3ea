"""Functions of generated repositories: what they compute, how they are broken, what tells it."""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random

from srft_assets.lab.words import CONSTANTS, OPERATORS, Name

Case = tuple[int, ...]

MEANING: dict[str, Callable[[int, int], int | bool]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "//": operator.floordiv,
    "%": operator.mod,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


@dataclass(frozen=True, slots=True)
class Function:
    """One function with one expression, `left operator right`; `right` may be a constant."""

    name: Name
    operator: str
    constant: int | None = None

    @property
    def expression(self) -> str:
        """Source of what it returns."""
        right = self.name.arguments[1] if self.constant is None else self.constant
        return f"{self.name.arguments[0]} {self.operator} {right}"

    @property
    def source(self) -> str:
        """Source of the whole function."""
        head = f"def {self.name.function}({', '.join(self.name.arguments)}):"
        return f"{head}\n    return {self.expression}\n"

    def call(self, case: Case) -> int | bool:
        """What its expression gives for these arguments."""
        right = case[1] if self.constant is None else self.constant
        return MEANING[self.operator](case[0], right)


def draw_function(name: Name, rng: Random) -> Function:
    """A right function: any operator of its family, a constant where it has one argument."""
    constant = rng.choice(CONSTANTS) if len(name.arguments) == 1 else None
    return Function(name, rng.choice(OPERATORS[name.family]), constant)


def variants(function: Function) -> list[Function]:
    """Every function that differs from this one in its operator or in its constant."""
    others = [op for op in OPERATORS[function.name.family] if op != function.operator]
    found = [replace(function, operator=operator) for operator in others]
    if function.constant is not None:
        found += [replace(function, constant=c) for c in CONSTANTS if c != function.constant]
    return found


def draw_case(function: Function, rng: Random) -> Case:
    """Arguments from 1 to 30; two equal ones now and then, where comparisons differ."""
    first = rng.randint(1, 30)
    if len(function.name.arguments) == 1:
        return (first,)
    return (first, first if rng.random() < 0.2 else rng.randint(1, 12))


def telling_cases(right: Function, wrong: Sequence[Function], rng: Random) -> list[Case]:
    """The first cases of a random sequence that tell `right` from every one of `wrong`."""
    cases: list[Case] = []
    left = list(wrong)
    for _ in range(1000):
        if not left:
            return cases
        case = draw_case(right, rng)
        told = [function for function in left if function.call(case) != right.call(case)]
        if told:
            cases.append(case)
            left = [function for function in left if function not in told]
    raise AssertionError(f"no case tells {right.expression} from {left[0].expression}")
