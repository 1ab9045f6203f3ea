"""Whoever opens an asset's page reads what its columns mean, and where they come from."""

import dagster as dg
import pytest


@pytest.fixture
def specs(repository: dg.RepositoryDefinition) -> dict[str, dg.AssetSpec]:
    return {
        spec.key.to_user_string(): spec
        for asset in repository.assets_defs_by_key.values()
        for spec in asset.specs
    }


def test_every_column_of_every_asset_says_what_it_means(specs):
    mute = [
        (key, column.name)
        for key, spec in specs.items()
        for column in spec.metadata["dagster/column_schema"].columns
        if not column.description
    ]
    assert mute == []


def test_columns_name_columns_that_exist_upstream(specs):
    columns = {
        key: {column.name for column in spec.metadata["dagster/column_schema"].columns}
        for key, spec in specs.items()
    }
    named = 0
    for key, spec in specs.items():
        lineage = spec.metadata["dagster/column_lineage"].deps_by_column
        assert set(lineage) <= columns[key]
        for deps in lineage.values():
            named += len(deps)
            for dep in deps:
                assert dep.column_name in columns[dep.asset_key.to_user_string()], key
    assert named > len(specs)


def test_a_label_comes_from_steps_and_outcomes(specs):
    lineage = specs["step_verdicts/rules"].metadata["dagster/column_lineage"].deps_by_column
    found = {(dep.asset_key.to_user_string(), dep.column_name) for dep in lineage["label"]}
    parts = ("thoughts", "actions", "observations", "return_codes")
    steps = {("trajectories", f"step_{part}") for part in parts}
    assert found == {*steps, ("test_outcomes", "status")}
