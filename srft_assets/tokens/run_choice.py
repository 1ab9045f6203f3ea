"""Which runs of a batch an arm takes: by outcome, by an SQL condition, each once, a few a task."""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb
import polars as pl

from srft_assets.errors import SrftError
from srft_assets.integrity.finding import INTEGRITY, counted, tainted_runs
from srft_assets.outcomes.status import FAILED, JUDGED, Status, crashed_runs
from srft_assets.tokens.arm import ArmSpec
from srft_assets.warehouse.sql import Config, connect, first_line, sql_files

CONFIG: Config = {
    "python_enable_replacements": False,
    "autoload_known_extensions": False,
    "autoinstall_known_extensions": False,
    "enable_external_access": False,
}
ONE = "it must be one condition, as after WHERE"
NO_TASK = "unknown"
"""Instance id of runs whose source names no task."""
SOLVE_RATES = pl.Schema({"instance_id": pl.String, "solve_rate": pl.Float64})


@dataclass(frozen=True, slots=True)
class Chosen:
    """The taken rows of `trajectories`, in their order, and how many were left, by reason."""

    frame: pl.DataFrame
    left_out: Mapping[str, int]


def choose(
    arm: ArmSpec,
    runs: pl.DataFrame,
    outcomes: pl.DataFrame,
    findings: pl.DataFrame | None = None,
    rates: pl.DataFrame | None = None,
) -> Chosen:
    """Choose among the runs of one batch; a run without outcome counts as `unknown`.

    `outcomes`: rows of `test_outcomes`; `findings`: of `integrity`; `rates`: see `solve_rates`. A
    run that a server or a machine ended is taken nowhere; one that only could not be graded is
    ungraded like others. What is identical or too many over several batches only training can see,
    and chooses by the same order. Raises SrftError for a wrong `where`.
    """
    left_out: Counter[str] = Counter()

    def keep(why: str, taken: pl.Series) -> None:
        nonlocal runs
        left_out[why] = runs.height - int(taken.sum())
        runs = runs.filter(taken)

    keep("crashed", ~runs["trajectory_id"].is_in(crashed_runs(outcomes)))
    status = dict(outcomes.select("trajectory_id", "status").iter_rows())
    of = [Status(status.get(name, Status.UNKNOWN)) for name in runs["trajectory_id"]]
    keep("of_other_outcome", pl.Series([takes(arm, one) for one in of], dtype=pl.Boolean))
    findings = INTEGRITY.to_frame() if findings is None else findings
    if arm.integrity == "drop":
        tainted = tainted_runs(findings)
        found = [kind for name in runs["trajectory_id"] if (kind := tainted.get(name))]
        keep("tainted", ~runs["trajectory_id"].is_in(list(tainted)))
        left_out.update(counted(found))
    if arm.where is not None:
        try:
            fitting = ids_where(arm.where, runs, outcomes, findings, rates)
        except SrftError as error:
            raise SrftError(f"arm {arm.name}: {error}") from None
        keep("outside_where", runs["trajectory_id"].is_in(list(fitting)))
    if arm.dedup:
        keep("identical", runs.select(pl.struct("messages", "tools").is_first_distinct())[:, 0])
    if arm.per_instance is not None:
        cells = runs.select("trajectory_id", "instance_id")
        keep("over_per_instance", within_cap(cells, arm.per_instance, arm.seed))
    return Chosen(runs, left_out)


def takes(arm: ArmSpec, status: Status) -> bool:
    """Whether runs of this outcome belong to the arm.

    `all` takes every run that came to its end, ungraded ones as well. `unresolved` takes what is
    the model's own failure; `unknown` and `infra_error` say nothing of the model and are in
    neither half.
    """
    if arm.runs == "resolved":
        return status == Status.RESOLVED
    if arm.runs == "unresolved":
        return status in FAILED
    return True


def within_cap(runs: pl.DataFrame, cap: int, seed: int) -> pl.Series:
    """Whether each row belongs to the first `cap` runs of its instance.

    `runs`: `trajectory_id` (a run may have several rows) and `instance_id`. The order is that of
    the SHA-256 of seed and trajectory id: as good as random, the same whatever other runs there
    are. So the first of all batches are among the first of their own batch.
    """
    names = runs["trajectory_id"].unique().sort()
    keys = [hashlib.sha256(f"{seed} {name}".encode()).digest() for name in names]
    order = pl.DataFrame({"trajectory_id": names, "key": keys}, schema_overrides={"key": pl.Binary})
    ranked = runs.join(order, on="trajectory_id", how="left", maintain_order="left")
    place = ranked.select(pl.col("key").rank("dense").over("instance_id") <= cap)[:, 0]
    return place | (runs["instance_id"] == NO_TASK)


def solve_rates(outcomes: pl.DataFrame) -> pl.DataFrame:
    """Of each task the share of its graded runs that resolved it: rows of SOLVE_RATES.

    `outcomes`: rows of `test_outcomes` of all batches; a run that two of them hold counts once.
    """
    return (
        outcomes.filter(
            pl.col("status").is_in([str(one) for one in JUDGED]), pl.col("instance_id") != NO_TASK
        )
        .unique("trajectory_id", keep="first", maintain_order=True)
        .group_by("instance_id", maintain_order=True)
        .agg(solve_rate=(pl.col("status") == str(Status.RESOLVED)).mean())
        .cast(SOLVE_RATES)
    )


def ids_where(
    condition: str,
    runs: pl.DataFrame,
    outcomes: pl.DataFrame,
    findings: pl.DataFrame | None = None,
    rates: pl.DataFrame | None = None,
) -> set[str]:
    """Trajectory ids of the runs for which the condition is true.

    `runs`, `outcomes` and `findings` are rows of `trajectories`, `test_outcomes` and `integrity`,
    `rates` those of `solve_rates`; the columns of `sql/arms/candidates.sql` can be named. The
    condition is asked in a database in memory that holds nothing else, reads no file and cannot be
    configured. It must be one expression, and always give the same answer. Raises SrftError with
    one line otherwise.
    """
    known = {"trajectories": runs, "test_outcomes": outcomes}
    known["integrity"] = INTEGRITY.to_frame() if findings is None else findings
    known["solve_rates"] = SOLVE_RATES.to_frame() if rates is None else rates
    macro, candidates = candidates_sql()
    made = (macro, f"CREATE TABLE candidates AS {candidates}")
    return _fitting(known, made, condition, "trajectory_id")


def holds(condition: str, rows: pl.DataFrame, key: str) -> set[str]:
    """The cells of the column `key` in rows for which the condition on their columns is true.

    The same bounds as of `ids_where`. Raises SrftError with one line otherwise.
    """
    made = ("CREATE TABLE candidates AS SELECT * FROM given",)
    return _fitting({"given": rows}, made, condition, key)


def _fitting(
    frames: Mapping[str, pl.DataFrame], made: Sequence[str], condition: str, key: str
) -> set[str]:
    """`key` of the rows of a table `candidates`, which the statements `made` make of the frames,
    for which the condition is true."""
    with connect(config=CONFIG) as connection:
        for name, frame in frames.items():
            connection.register(name, frame.to_arrow())
        for statement in made:
            connection.execute(statement)
        for name in frames:
            connection.unregister(name)
        connection.execute("SET lock_configuration = true")
        try:
            _check(connection, condition)
            candidates = connection.table("candidates")
            kinds = [str(kind) for kind in candidates.project(condition).types]
            if kinds != ["BOOLEAN"]:
                given = kinds[0] if len(kinds) == 1 else f"{len(kinds)} values"
                raise SrftError(f"where gives {given}: {ONE}")
            return {cell for (cell,) in candidates.filter(condition).project(key).fetchall()}
        except duckdb.Error as error:
            raise SrftError(f"where: {first_line(error)}") from None


def candidates_sql() -> tuple[str, str]:
    """What decides the columns that a condition can name: a macro, and the query that uses it."""
    texts = {(file.kind, file.name): file.text for file in sql_files("macros", "arms")}
    return texts["macros", "repo_of"], texts["arms", "candidates"]


def _check(connection: duckdb.DuckDBPyConnection, condition: str) -> None:
    """One expression, by DuckDB's parser: alone, where it cuts off a LIMIT, and in brackets,
    where a bracket of its own could close them, it must hold."""
    torn = condition.encode(errors="ignore").decode() != condition
    if not condition.strip() or torn:
        raise SrftError(f"where is empty or no text: {ONE}")
    asked = connection.extract_statements(f"SELECT 1 WHERE (\n{condition}\n)")
    alone = connection.extract_statements(f"SELECT {condition}")
    select = duckdb.StatementType.SELECT
    if [one.type for one in (*asked, *alone)] != [select, select]:
        raise SrftError(f"where holds several statements: {ONE}")
    words = {word.lower() for word in _words(condition)}
    query = "SELECT DISTINCT function_name FROM duckdb_functions() WHERE stability <> 'CONSISTENT'"
    unstable = {str(name) for (name,) in connection.execute(query).fetchall()}
    if found := sorted(words & unstable):
        raise SrftError(f"where calls {found[0]}, which does not always give the same answer")


def _words(condition: str) -> list[str]:
    """All words outside of strings and comments."""
    places = duckdb.tokenize(condition)
    ends = [start for start, _ in places[1:]] + [len(condition.encode())]
    text = condition.encode()
    quoted = (duckdb.token_type.string_const, duckdb.token_type.comment)
    pieces = (
        text[start:end].decode(errors="replace")
        for (start, kind), end in zip(places, ends, strict=True)
        if kind not in quoted
    )
    return [word for piece in pieces for word in re.findall(r"\w+", piece)]
