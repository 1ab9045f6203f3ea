"""Functions of generated repositories: their words, what they compute, how they are broken."""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Literal

Family = Literal["number", "truth"]

OPERATORS: dict[Family, tuple[str, ...]] = {
    "number": ("+", "-", "*", "//", "%"),
    "truth": ("<", "<=", ">", ">=", "==", "!="),
}
"""Any operator of the family makes sense for any function of it, so the name of a function does
not give the operator away: it has to be looked up in what the tests say."""

CONSTANTS = (2, 3, 5, 7, 10, 12, 24, 60)

NEAR = {
    "<": "<=",
    "<=": "<",
    ">": ">=",
    ">=": ">",
    "==": ">=",
    "!=": "<",
    "+": "-",
    "-": "+",
    "*": "+",
    "//": "%",
    "%": "//",
}
"""The operator that a hasty reader takes for the right one."""


@dataclass(frozen=True, slots=True)
class Name:
    """A function's name with its arguments; one argument means that a constant is the other."""

    function: str
    arguments: tuple[str, ...]
    family: Family


def _names(*lines: str) -> tuple[Name, ...]:
    """`number total price tax` → a Name."""
    names = []
    for line in lines:
        family, function, *arguments = line.split()
        names.append(Name(function, tuple(arguments), family))  # type: ignore[arg-type]  # the first words below are its literals
    return tuple(names)


MODULES: dict[str, tuple[Name, ...]] = {
    "shop": _names(
        "number total price tax",
        "number margin sales cost",
        "number refund paid fee",
        "number share profit people",
        "truth cheap offer limit",
        "truth full stock shelf",
        "truth urgent orders staff",
        "number bonus points",
        "number boxes items",
    ),
    "garden": _names(
        "number area width length",
        "number water rain sun",
        "number harvest plants yields",
        "number rows seeds gap",
        "truth tall height fence",
        "truth ripe age season",
        "truth dry soil need",
        "number weeds weeks",
        "number bags sand",
    ),
    "bank": _names(
        "number balance income rent",
        "number loan debt rate",
        "number savings cash bills",
        "number split gift heirs",
        "truth rich wealth goal",
        "truth safe risk cap",
        "truth open hour close",
        "number coins notes",
        "number years months",
    ),
    "game": _names(
        "number score hits misses",
        "number damage power armor",
        "number energy food work",
        "number team players groups",
        "truth alive life harm",
        "truth win own other",
        "truth fast speed pace",
        "number level wins",
        "number bonus gems",
    ),
    "road": _names(
        "number distance north east",
        "number fuel trips tank",
        "number load weight cargo",
        "number seats cars buses",
        "truth late arrival plan",
        "truth steep slope grade",
        "truth near here there",
        "number hours minutes",
        "number tolls gates",
    ),
    "kitchen": _names(
        "number portion bread guests",
        "number mix flour milk",
        "number heat oven time",
        "number plates tables chairs",
        "truth hot warm boil",
        "truth sweet sugar salt",
        "truth enough rice eaters",
        "number eggs hens",
        "number cups jugs",
    ),
}
"""Within a module no first argument is the beginning of another, so that `return price` names
one function; every function returns one expression over its arguments."""


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
