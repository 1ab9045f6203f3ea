"""How the base model that srft ships was made: `python -m tools.base_model --check`."""
