"""Heavy subprocesses of an asset, through Dagster Pipes, in a session of their own."""

from collections.abc import Mapping, Sequence

import dagster as dg
import orjson

from srft_assets.training.launch import launch
from srft_assets.warehouse.stage import Progress


class PipesLaunch:
    """A `Launch` that hands the Dagster context to the child and takes its messages.

    Dagster's own subprocess client stops only the direct child; ours starts a session and ends
    the whole process group, so that no worker outlives the run.
    """

    def __init__(self, context: dg.AssetExecutionContext, progress: Progress) -> None:
        self.context = context
        self.progress = progress

    def __call__(self, argv: Sequence[str], env: Mapping[str, str]) -> None:
        """Run and wait. Raises SrftError with the tail of the child's output."""
        with dg.open_pipes_session(
            context=self.context,
            context_injector=dg.PipesTempFileContextInjector(),
            message_reader=dg.PipesTempFileMessageReader(),
        ) as session:
            launch(argv, {**env, **session.get_bootstrap_env_vars()}, on_line=self._on_line)

    def _on_line(self, line: str) -> None:
        """`{"step": 3, "of": 150, …}` moves the progress; anything else is a log line."""
        try:
            told = orjson.loads(line)
        except orjson.JSONDecodeError:
            told = None
        if isinstance(told, dict) and {"step", "of"} <= told.keys():
            note = " ".join(f"{k} {v}" for k, v in told.items() if k not in {"step", "of", "label"})
            label = str(told.get("label", self.context.asset_key.to_user_string()))
            self.progress.report(label, told["step"], told["of"], note)
        else:
            self.context.log.debug(line)
