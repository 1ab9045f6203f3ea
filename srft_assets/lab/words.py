"""The vocabulary of generated repositories: modules, their functions, operators."""

from dataclasses import dataclass
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
