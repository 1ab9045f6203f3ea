"""The definitions below `defs/`, in the checkout or as they were installed."""

import importlib

import dagster as dg

from srft_assets.home import CHECKOUT


def load_defs_folder() -> dg.Definitions:
    """Everything below `srft_assets/defs`, with YAML and prompts read anew.

    `dg.load_from_defs_folder` wants a `pyproject.toml` around, which an installed package lacks.
    """
    module = importlib.import_module("srft_assets.defs")
    return dg.ComponentTree.from_module(defs_module=module, project_root=CHECKOUT).build_defs()
