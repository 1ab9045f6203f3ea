"""All code that a training runs either counts for its recipe, or is known to decide no weight."""

import grimp

from srft_assets.training.recipe import MODULES

APART = {
    "the process and its states": {"picture", "ranks", "report", "saving", "states"},
    "settings and rows, which count by value": {"arm", "schema", "verdict", "model"},
    "of every room": {"errors", "refusal", "change", "placing", "recipe"},
}


def test_no_code_that_decides_weights_is_left_out():
    graph = grimp.build_graph("srft_assets")
    used, found = set(MODULES), list(MODULES)
    while found:
        imported = graph.find_modules_directly_imported_by(found.pop())
        new = {name for name in imported if name.startswith("srft_assets.")} - used
        used |= new
        found += new
    left_out = {name.rpartition(".")[2] for name in used - set(MODULES)}
    assert left_out == set().union(*APART.values())
