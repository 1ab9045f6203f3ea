"""docs/examples/kubernetes.yaml by the schemas of Kubernetes and dagster-k8s: none runs here."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from srft_assets.instance import POSTGRES

reason = "pip install dagster-k8s==0.29.27 kubernetes-validate"
kubernetes_validate = pytest.importorskip("kubernetes_validate", reason=reason)
dagster_k8s = pytest.importorskip("dagster_k8s", reason=reason)
pytestmark = pytest.mark.cluster
FILE = Path(__file__).parents[2] / "docs" / "examples" / "kubernetes.yaml"

NOWHERE = """
clusters: [{name: none, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: none, user: {}}]
contexts: [{name: none, context: {cluster: none, user: none}}]
current-context: none
"""
"""Access to no cluster; nothing is sent."""


def manifests() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(FILE.read_text()))


def validate(manifest: dict[str, Any]) -> None:
    kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)


def settings() -> dict[str, Any]:
    """The `dagster.yaml` of all processes."""
    (stated,) = (one["data"]["dagster.yaml"] for one in manifests() if one["kind"] == "ConfigMap")
    return yaml.safe_load(stated)


@pytest.mark.parametrize("manifest", manifests(), ids=lambda one: one["kind"])
def test_each_is_what_kubernetes_takes(manifest: dict[str, Any]) -> None:
    validate(manifest)


def test_a_misspelt_one_is_not() -> None:
    manifest = manifests()[0]
    manifest["spec"]["accessMode"] = manifest["spec"].pop("accessModes")
    with pytest.raises(kubernetes_validate.ValidationError):
        validate(manifest)


def test_the_job_of_a_run_sees_the_home_and_the_database(tmp_path: Path) -> None:
    from dagster._config import process_config
    from dagster_k8s.job import construct_dagster_k8s_job

    launcher = settings()["run_launcher"]
    assert settings()["storage"] == yaml.safe_load(POSTGRES)["storage"]
    assert (launcher["module"], launcher["class"]) == ("dagster_k8s", "K8sRunLauncher")
    read = process_config(dagster_k8s.K8sRunLauncher.config_type(), launcher["config"])
    assert read.success, read.errors
    access = tmp_path / "kubeconfig"
    access.write_text(NOWHERE)
    made = dagster_k8s.K8sRunLauncher.from_config_value(
        None, {**read.value, "load_incluster_config": False, "kubeconfig_file": str(access)}
    )
    context = made.get_container_context_for_run(dg.DagsterRun(job_name="any"))
    job = construct_dagster_k8s_job(
        context.get_k8s_job_config(None, made),
        ["dagster", "api", "execute_run", "{}"],
        "dagster-run-1",
        user_defined_k8s_config=context.run_k8s_config,
    ).to_dict()
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry.example/srft:1"
    assert [*container["command"], *container["args"]][:3] == ["env", "dagster", "api"]
    assert "/srft" in [mount["mount_path"] for mount in container["volume_mounts"]]
    assert container["env_from"][0]["secret_ref"]["name"] == "srft"
