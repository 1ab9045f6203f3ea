"""What a browser on the Dagster UI asks its server."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

REPOSITORY = {"repositoryLocationName": "srft", "repositoryName": "__repository__"}

LOCATIONS = """{ workspaceOrError { ... on Workspace { locationEntries {
  name loadStatus
  locationOrLoadError {
    ... on PythonError { message }
    ... on RepositoryLocation { repositories {
      name
      assetNodes { assetKey { path } }
      jobs { name }
      sensors { name sensorState { status } }
      schedules { name scheduleState { status } }
    } }
  }
} } } }"""

ADD_PARTITION = """mutation($repository: RepositorySelector!, $of: String!, $key: String!) {
  addDynamicPartition(repositorySelector: $repository, partitionsDefName: $of, partitionKey: $key) {
    __typename
  }
}"""

LAUNCH = """mutation($params: ExecutionParams!) {
  launchPipelineExecution(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}"""

BACKFILL = """mutation($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}"""

BACKFILL_STATUS = """query($backfill: String!) { partitionBackfillOrError(backfillId: $backfill) {
  ... on PartitionBackfill { status }
} }"""

START_SCHEDULE = """mutation($schedule: ScheduleSelector!) {
  startSchedule(scheduleSelector: $schedule) {
    __typename
    ... on ScheduleStateResult { scheduleState { status id } }
  }
}"""

STOP_SCHEDULE = """mutation($id: String!) { stopRunningSchedule(id: $id) {
  __typename
  ... on ScheduleStateResult { scheduleState { status } }
} }"""

TICKS = """query($instigator: InstigationSelector!) {
  instigationStateOrError(instigationSelector: $instigator) {
    ... on InstigationState { ticks { status runIds skipReason error { message } } }
  }
}"""

CHECK = """query($asset: AssetKeyInput!, $check: String!) {
  assetCheckExecutions(assetKey: $asset, checkName: $check, limit: 1) {
    evaluation { success severity description metadataEntries {
      label
      ... on TextMetadataEntry { text }
      ... on IntMetadataEntry { intValue }
      ... on MarkdownMetadataEntry { mdStr }
    } }
  }
}"""

PARTITION = """query($asset: [String!]!, $partition: String!) {
  assetOrError(assetKey: {path: $asset}) { ... on Asset {
    assetObservations(partitions: [$partition], limit: 1) {
      metadataEntries { label ... on TextMetadataEntry { text } }
    }
    assetMaterializations(partitions: [$partition], limit: 1) {
      runId
      metadataEntries {
        label
        ... on BoolMetadataEntry { boolValue }
        ... on MarkdownMetadataEntry { mdStr }
      }
    }
  } }
}"""

STATUS = "query($run: ID!) { runOrError(runId: $run) { ... on Run { status } } }"

PARTITIONS = """query($asset: [String!]!) { assetNodeOrError(assetKey: {path: $asset}) {
  ... on AssetNode { assetPartitionStatuses {
    ... on DefaultPartitionStatuses {
      materializedPartitions failedPartitions materializingPartitions
    }
  } }
} }"""


@dataclass(frozen=True)
class Browser:
    """Asks the server at `port`."""

    port: int

    def is_answered(self) -> bool:
        """Whether the server is there."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/server_info", timeout=5):
                return True
        except OSError:
            return False

    def ask(self, query: str, **variables: Any) -> Any:
        """The data of the answer, its outer field taken off."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/graphql", body, {"content-type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                told = json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from None
        assert "errors" not in told, told
        (data,) = told["data"].values()
        return data

    def add_partition(self, key: str, of: str = "batch") -> None:
        """Press `Add a partition` to the partitions of that name."""
        told = self.ask(ADD_PARTITION, repository=REPOSITORY, of=of, key=key)
        assert told["__typename"] == "AddDynamicPartitionSuccess", told

    def materialize(self, assets: Sequence[str], partition: str) -> str:
        """Press `Materialize` for one partition of a selection; the run's id."""
        params = {
            "selector": {
                **REPOSITORY,
                "pipelineName": "__ASSET_JOB",
                "assetSelection": [{"path": asset.split("/")} for asset in assets],
                "assetCheckSelection": [],
            },
            "mode": "default",
            "runConfigData": "{}",
            "executionMetadata": {"tags": [{"key": "dagster/partition", "value": partition}]},
        }
        told = self.ask(LAUNCH, params=params)
        assert told["__typename"] == "LaunchRunSuccess", told
        return told["run"]["runId"]

    def materialize_all(self, assets: Sequence[str], partitions: Sequence[str]) -> str:
        """`Materialize all` of a selection, `All` of its partitions; the backfill's id."""
        params = {
            "assetSelection": [{"path": asset.split("/")} for asset in assets],
            "partitionNames": list(partitions),
            "tags": [{"key": "dagster/from_ui", "value": "true"}],
            "fromFailure": False,
        }
        told = self.ask(BACKFILL, params=params)
        assert told["__typename"] == "LaunchBackfillSuccess", told
        return told["backfillId"]

    def switch_on(self, schedule: str) -> str:
        """Switch a schedule on; its id."""
        told = self.ask(START_SCHEDULE, schedule={**REPOSITORY, "scheduleName": schedule})
        assert told["scheduleState"]["status"] == "RUNNING", told
        return told["scheduleState"]["id"]

    def switch_off(self, schedule: str) -> None:
        """Switch the schedule of that id off."""
        told = self.ask(STOP_SCHEDULE, id=schedule)
        assert told["scheduleState"]["status"] == "STOPPED", told

    def ticks(self, name: str) -> list[dict[str, Any]]:
        """Ticks of a schedule or sensor, the latest first."""
        return self.ask(TICKS, instigator={**REPOSITORY, "name": name})["ticks"]

    def check(self, asset: str, check: str) -> dict[str, Any]:
        """The latest evaluation of a check; its metadata by name."""
        (told,) = self.ask(CHECK, asset={"path": asset.split("/")}, check=check)
        entries = told["evaluation"].pop("metadataEntries")
        return {**told["evaluation"], **_by_name(entries)}

    def partition(self, asset: str, partition: str) -> dict[str, Any]:
        """What a partition's page shows of its last materialization and observation."""
        told = self.ask(PARTITION, asset=asset.split("/"), partition=partition)
        events = [*told["assetMaterializations"], *told["assetObservations"]]
        shown = _by_name(entry for event in events for entry in event["metadataEntries"])
        return {**shown, "run": [event["runId"] for event in told["assetMaterializations"]]}

    def wait_for(self, run: str, seconds: float = 120) -> str:
        """The status with which a run ends."""
        deadline = time.monotonic() + seconds
        status = "QUEUED"
        while status not in ("SUCCESS", "FAILURE", "CANCELED") and time.monotonic() < deadline:
            time.sleep(0.5)
            status = self.ask(STATUS, run=run)["status"]
        return status

    def wait_for_backfill(self, backfill: str, seconds: float = 180) -> str:
        """The status with which a backfill ends."""
        deadline = time.monotonic() + seconds
        status = "REQUESTED"
        while status in ("REQUESTED", "COMPLETED") and time.monotonic() < deadline:
            time.sleep(0.5)
            status = self.ask(BACKFILL_STATUS, backfill=backfill)["status"]
        return status


def _by_name(entries: Iterable[dict[str, Any]]) -> dict[str, Any]:
    return {
        entry["label"]: value
        for entry in entries
        for name, value in entry.items()
        if name != "label"
    }
