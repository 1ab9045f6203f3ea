"""What a browser on the Dagster UI asks its server."""

import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

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

ADD_PARTITION = """mutation($repository: RepositorySelector!, $partition: String!) {
  addDynamicPartition(
    repositorySelector: $repository, partitionsDefName: "batch", partitionKey: $partition
  ) { __typename }
}"""

LAUNCH = """mutation($params: ExecutionParams!) {
  launchPipelineExecution(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}"""

STATUS = "query($run: ID!) { runOrError(runId: $run) { ... on Run { status } } }"

PARTITIONS = """query($asset: [String!]!) { assetNodeOrError(assetKey: {path: $asset}) {
  ... on AssetNode { assetPartitionStatuses {
    ... on DefaultPartitionStatuses { materializedPartitions }
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

    def materialize(self, asset: str, partition: str) -> str:
        """Press `Materialize` for one partition; the run's id."""
        params = {
            "selector": {
                "repositoryLocationName": "srft",
                "repositoryName": "__repository__",
                "pipelineName": "__ASSET_JOB",
                "assetSelection": [{"path": asset.split("/")}],
                "assetCheckSelection": [],
            },
            "mode": "default",
            "runConfigData": "{}",
            "executionMetadata": {"tags": [{"key": "dagster/partition", "value": partition}]},
        }
        told = self.ask(LAUNCH, params=params)
        assert told["__typename"] == "LaunchRunSuccess", told
        return told["run"]["runId"]

    def wait_for(self, run: str, seconds: float = 120) -> str:
        """The status with which a run ends."""
        deadline = time.monotonic() + seconds
        status = "QUEUED"
        while status not in ("SUCCESS", "FAILURE", "CANCELED") and time.monotonic() < deadline:
            time.sleep(0.5)
            status = self.ask(STATUS, run=run)["status"]
        return status
