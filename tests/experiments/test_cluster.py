"""The cluster files: each is held against Ray's own schema, and against what a sweep on it needs."""

import re
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import ray
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

from nas.ray_cluster import LOST_HOSTS

CLUSTER = Path(__file__).parents[2] / "experiments" / "cluster"
LAUNCHED = ["ssh", "aws", "gcp"]
CLOUDS = ["aws", "gcp"]
EVERY = ["ssh.yaml", "aws.yaml", "gcp.yaml", "kubernetes.yaml", "slurm.sh"]


def launched(name: str) -> dict[str, Any]:
    """A cluster file as ``ray up`` reads it, with the defaults of its provider."""
    config: dict[str, Any] = prepare_config(yaml.safe_load((CLUSTER / f"{name}.yaml").read_text()))
    return config


def kubernetes(kind: str) -> dict[str, Any]:
    documents = yaml.safe_load_all((CLUSTER / "kubernetes.yaml").read_text())
    return next(document for document in documents if document["kind"] == kind)


def pods() -> list[dict[str, Any]]:
    """What the RayJob's pods hold, the head's first."""
    cluster = kubernetes("RayJob")["spec"]["rayClusterSpec"]
    return [group["template"]["spec"] for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])]


@pytest.mark.parametrize("name", LAUNCHED)
def test_ray_accepts_the_file(name: str) -> None:
    validate_config(launched(name))


@pytest.mark.parametrize("name", LAUNCHED)
def test_ray_refuses_a_setting_that_it_does_not_know(name: str) -> None:
    with pytest.raises(jsonschema.ValidationError, match="another_setting"):
        validate_config(launched(name) | {"another_setting": 1})


@pytest.mark.parametrize("name", EVERY)
def test_the_head_of_the_file_lists_what_is_to_be_filled_in(name: str) -> None:
    lines = (CLUSTER / name).read_text().splitlines()
    comments = {line for line in lines if line.startswith("# ") or line == "#"}
    listed = set(re.findall(r"YOUR_\w+", "\n".join(comments)))
    used = set(re.findall(r"YOUR_\w+", "\n".join(line for line in lines if line not in comments)))
    assert used
    assert listed == used


@pytest.mark.parametrize("name", EVERY)
def test_torch_is_installed_before_the_project_with_the_tested_versions(name: str) -> None:
    text = (CLUSTER / name).read_text()
    torch, project = (
        re.search(rf'pip"? install -c \S*constraints.txt {package}', text) for package in ("torch", "-e ")
    )
    assert torch is not None
    assert project is not None
    assert torch.start() < project.start()
    assert text.index("[search]") < text.index("ray[default]")


@pytest.mark.parametrize("name", LAUNCHED)
def test_checkout_and_token_go_to_every_node(name: str) -> None:
    mounts = launched(name)["file_mounts"]
    assert mounts == {"~/checkout": ".", "~/.ray/auth_token": "~/.ray/auth_token"}


@pytest.mark.parametrize("name", LAUNCHED)
def test_every_later_shell_finds_the_environment_first_and_the_token(name: str, tmp_path: Path) -> None:
    python = tmp_path / "environment" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch(mode=0o755)
    (line,) = [command for command in launched(name)["setup_commands"] if ".bashrc" in command]
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    for _ in range(2):
        subprocess.run(["bash", "-c", line], env=environment, check=True)
    assert len((tmp_path / ".bashrc").read_text().splitlines()) == 1
    asked = 'source ~/.bashrc; type -P python; echo "$RAY_AUTH_MODE $RAY_AUTH_TOKEN_PATH"'
    output = subprocess.run(["bash", "-c", asked], env=environment, check=True, capture_output=True, text=True).stdout
    assert output.splitlines() == [str(python), f"token {tmp_path}/.ray/auth_token"]


@pytest.mark.parametrize("name", LAUNCHED)
def test_shared_storage_is_there_before_anything_is_installed(name: str) -> None:
    assert "/shared" in launched(name)["initialization_commands"][-1]


@pytest.mark.parametrize("name", CLOUDS)
def test_workers_with_gpus_come_and_go_while_the_head_runs_no_trials(name: str) -> None:
    config = launched(name)
    head, gpu = (config["available_node_types"][kind] for kind in ("head", "gpu"))
    assert head["resources"] == {"CPU": 0}
    assert gpu["resources"]["GPU"] >= 1
    assert 1 <= gpu["min_workers"] < gpu["max_workers"] == config["max_workers"]
    assert config["idle_timeout_minutes"] > 0


def test_ray_keeps_every_machine_of_a_fixed_list() -> None:
    config = launched("ssh")
    (machines,) = config["available_node_types"].values()
    assert machines["min_workers"] == machines["max_workers"] == len(config["provider"]["worker_ips"])


def test_a_fixed_list_gets_the_autoscaler_that_starts_its_workers() -> None:
    """Ray's second one never does (2.60): it takes the head for terminated and waits for it."""
    assert "RAY_enable_autoscaler_v2=0 ray start --head" in launched("ssh")["head_start_ray_commands"][-1]


def settings_of_lost_hosts() -> dict[str, str]:
    lines = (CLUSTER / "ray.env").read_text().splitlines()
    return dict(line.removeprefix("export ").split("=") for line in lines if line.startswith("export "))


@pytest.mark.parametrize("name", LAUNCHED)
def test_every_start_of_ray_reads_how_soon_a_host_is_lost(name: str) -> None:
    starts = (launched(name)[f"{kind}_start_ray_commands"][-1] for kind in ("head", "worker"))
    for start in starts:
        assert start.index(". ~/checkout/experiments/cluster/ray.env; ") < start.index("ray start")


def test_driver_and_pods_say_the_same_of_lost_hosts() -> None:
    assert settings_of_lost_hosts() == LOST_HOSTS
    for pod in pods():
        held = {entry["name"]: entry["value"] for entry in pod["containers"][0]["env"]}
        assert LOST_HOSTS.items() <= held.items()
    slurm = (CLUSTER / "slurm.sh").read_text()
    assert slurm.index(". experiments/cluster/ray.env") < slurm.index("ray symmetric-run")


def test_the_ray_job_has_what_kuberay_needs() -> None:
    job = kubernetes("RayJob")
    assert job["apiVersion"] == "ray.io/v1"
    assert job["spec"]["entrypoint"].startswith("python -m experiments.sweep ")
    cluster = job["spec"]["rayClusterSpec"]
    assert cluster["rayVersion"] == ray.__version__
    assert cluster["authOptions"] == {"mode": "token"}
    assert cluster["enableInTreeAutoscaling"] is True
    assert cluster["headGroupSpec"]["rayStartParams"] == {"num-cpus": "0"}
    for group in cluster["workerGroupSpecs"]:
        assert 1 <= group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
        assert group["groupName"]
        assert isinstance(group["rayStartParams"], dict)


def test_every_pod_mounts_the_shared_storage_and_the_environment() -> None:
    claim = kubernetes("PersistentVolumeClaim")
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    for pod in pods():
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        assert volumes["shared"]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
        (container,) = pod["containers"]
        (path,) = [variable["value"] for variable in container["env"] if variable["name"] == "PATH"]
        assert path.startswith("/fusemorph/environment/bin:")
        mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        assert mounts == {"/fusemorph": "project", "/shared": "shared"}
        for mount in (*container["volumeMounts"], *pod["initContainers"][0]["volumeMounts"]):
            assert mount["name"] in volumes


def test_every_container_has_limits_and_workers_have_gpus() -> None:
    head, *workers = pods()
    for pod in (head, *workers):
        for container in (*pod["initContainers"], *pod["containers"]):
            assert container["resources"]["limits"] == container["resources"]["requests"]
            assert container["image"].startswith(f"rayproject/ray:{ray.__version__}-")
    assert "nvidia.com/gpu" not in head["containers"][0]["resources"]["limits"]
    for worker in workers:
        assert int(worker["containers"][0]["resources"]["limits"]["nvidia.com/gpu"]) >= 1


def test_slurm_reads_its_options_before_the_first_command() -> None:
    script = CLUSTER / "slurm.sh"
    subprocess.run(["bash", "-n", script], check=True)
    code = [line for line in script.read_text().splitlines() if line.startswith("#SBATCH") or line[:1] not in ("#", "")]
    options = [line for line in code if line.startswith("#SBATCH")]
    assert code[: len(options)] == options
    assert "#SBATCH --ntasks-per-node=1" in options
