"""Finding a base model below a platform's folder, which may have been moved as a whole."""

from pathlib import Path

ARTIFACTS = "artifacts"
"""The folder below `SRFT_HOME` that holds base models and checkpoints; `Home.artifacts`."""


def base_now(stated: str, checkpoint: Path) -> str:
    """Where the base model of a checkpoint lies by now.

    `stated` is the folder or the id that training wrote down. A folder that is not there any more
    is looked for below the platform that the checkpoint is in; where it is not there either, and
    for an id, the answer is `stated`.
    """
    parts = Path(stated).parts
    home = next((p for p in checkpoint.absolute().parents if p.name == ARTIFACTS), None)
    if Path(stated).is_dir() or home is None or ARTIFACTS not in parts:
        return stated
    found = home.joinpath(*parts[parts.index(ARTIFACTS) + 1 :])
    return str(found) if found.is_dir() else stated
