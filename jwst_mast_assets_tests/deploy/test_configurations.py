"""The extras, the units and the files in `deploy/`: complete, consistent, and without secrets."""

import importlib.util
import re
import shutil
import stat
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._cli.api import grpc_command
from dagster._config import Shape, validate_config
from packaging.requirements import Requirement

from jwst_mast_assets.cli.main import main
from jwst_mast_assets.cli.service import SYSTEMD_UNITS, units
from jwst_mast_assets.definitions import build_defs
from jwst_mast_assets.defs.executors import chosen_executor
from jwst_mast_assets.defs.run_queue import ProposalQueue
from jwst_mast_assets.mast.errors import ConfigError
from jwst_mast_assets_tests.deploy.configurations import DEPLOY

REPOSITORY = DEPLOY.parent


def read(path: str) -> Any:
    return yaml.safe_load((DEPLOY / path).read_text())


def requirements_of(name, extras, seen):
    """What a distribution needs with some extras, and what that needs in turn."""
    for text in metadata.requires(name) or []:
        requirement = Requirement(text)
        wanted = [{"extra": extra} for extra in (*extras, "")]
        if requirement.marker and not any(requirement.marker.evaluate(each) for each in wanted):
            continue
        yield name, requirement
        key = requirement.name.lower(), tuple(sorted(requirement.extras))
        if key not in seen:
            seen.add(key)
            yield from requirements_of(requirement.name, requirement.extras, seen)


def test_all_extras_together_resolve_to_the_pinned_versions():
    name = "jwst_mast_assets"
    extras = set(metadata.metadata(name).get_all("Provides-Extra") or [])
    assert {"notify", "postgres", "celery", "dev"} <= extras
    pinned = {
        (found := Requirement(line)).name.lower().replace("_", "-"): found
        for line in (REPOSITORY / "constraints.txt").read_text().splitlines()
        if not (marker := Requirement(line).marker) or marker.evaluate()
    }
    asked = [each for each in requirements_of(name, extras, {name}) if each[1].name.lower() != name]
    assert "dagster-postgres" in {requirement.name for _, requirement in asked}
    for owner, requirement in asked:
        installed = metadata.version(requirement.name)
        assert requirement.specifier.contains(installed, prereleases=True), (owner, str(requirement), installed)
        pin = pinned[requirement.name.lower().replace("_", "-").replace(".", "-")]
        assert pin.specifier.contains(installed), (str(pin), installed)


def test_the_executor_is_chosen_by_the_environment(monkeypatch):
    assert build_defs().resolve_job_def("jwst_download").executor_def is dg.in_process_executor
    monkeypatch.setenv("JWST_EXECUTOR", "multiprocess")
    assert build_defs().resolve_job_def("jwst_download").executor_def is dg.multiprocess_executor
    monkeypatch.setenv("JWST_EXECUTOR", "celery")
    with pytest.raises(ConfigError, match=r"\$JWST_CELERY_BROKER and \$JWST_CELERY_BACKEND is not set"):
        chosen_executor()
    monkeypatch.setenv("JWST_CELERY_BROKER", "redis://:secret@127.0.0.1/0")
    monkeypatch.setenv("JWST_CELERY_BACKEND", "redis://:secret@127.0.0.1/0")
    assert build_defs().resolve_job_def("jwst_download").executor_def.name == "celery"
    monkeypatch.setenv("JWST_EXECUTOR", "slurm")
    with pytest.raises(ConfigError, match="JWST_EXECUTOR must be in_process, multiprocess or celery, not 'slurm'"):
        build_defs()


@pytest.fixture
def account(tmp_path, monkeypatch):
    """An account whose paths have blanks."""
    home = tmp_path / "home of a user"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("DAGSTER_HOME", str(home / "dagster"))
    monkeypatch.setenv("JWSTDOWNLOAD_OUTDIR", str(tmp_path / "data"))
    monkeypatch.setenv("MAST_API_TOKEN", "very-secret")
    return home


def test_service_install_writes_units_that_systemd_accepts(account, capsys):
    assert main(["service", "install", "--user"]) == 0
    folder = account / ".config" / "systemd" / "user"
    written = sorted(folder.iterdir())
    assert [path.stem for path in written] == sorted(f"jwst-mast-{name}" for name in SYSTEMD_UNITS)
    assert "systemctl --user enable --now jwst-mast-code jwst-mast-web jwst-mast-daemon" in capsys.readouterr().out
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed; get it with: apt-get install systemd")
    done = subprocess.run([program, "verify", "--user", "--man=no", *written], capture_output=True, text=True)
    assert not [line for line in done.stderr.splitlines() if "jwst-mast" in line]


def test_the_environment_of_the_services_is_private_and_never_overwritten(account, capsys):
    assert main(["service", "install", "--user"]) == 0
    path = account / ".config" / "jwst_mast_assets" / "environment"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text()
    assert f'DAGSTER_HOME="{account / "dagster"}"' in text
    assert "#MAST_API_TOKEN=" in text
    assert "very-secret" not in text + capsys.readouterr().out
    path.write_text("JWST_POSTGRES_URL=mine\n")
    assert main(["service", "install", "--user"]) == 0
    assert path.read_text() == "JWST_POSTGRES_URL=mine\n"


def test_service_install_needs_user_and_an_output_folder(account, monkeypatch, capsys):
    assert main(["service", "install"]) == 2
    assert "Give --user" in capsys.readouterr().err
    monkeypatch.delenv("JWSTDOWNLOAD_OUTDIR")
    assert main(["service", "install", "--user"]) == 2
    assert "No output folder is set" in capsys.readouterr().err


def plain(command):
    """A command without what differs between machines and containers: program, addresses, ports, workspace."""
    return [word for word in command[1:] if not re.fullmatch(r"[\d.]+|/.*yaml", word)]


def test_compose_starts_what_the_units_start():
    services = read("compose/compose.yaml")["services"]
    texts = units(sys.executable, Path("/environment"), Path("/workspace.yaml"), 3000, 4266)
    for name in SYSTEMD_UNITS:
        line = next(line for line in texts[f"jwst-mast-{name}.service"].splitlines() if line.startswith("ExecStart="))
        assert plain(services[name]["command"]) == plain(line.removeprefix("ExecStart=").split())
    (server,) = read("compose/workspace.yaml")["load_from"]
    code = services[server["grpc_server"]["host"]]["command"]
    assert str(server["grpc_server"]["port"]) in code
    assert services["web"]["ports"] == ["127.0.0.1:3000:3000"]


def test_the_image_copies_what_is_there():
    for line in (DEPLOY / "compose" / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY"):
            *sources, _ = [word for word in line.split()[1:] if not word.startswith("--")]
            assert all((REPOSITORY / source).exists() for source in sources), line


def test_the_image_has_the_folders_extras_and_account_that_compose_counts_on():
    lines = (DEPLOY / "compose" / "Dockerfile").read_text().splitlines()
    steps = [line.partition(" ")[::2] for line in lines if line[:1].isalpha()]
    environment = dict(word.split("=", 1) for step, rest in steps if step == "ENV" for word in rest.split())
    (extras,) = re.findall(r"\.\[([\w,]+)\]", " ".join(lines))
    assert set(extras.split(",")) <= set(metadata.metadata("jwst_mast_assets").get_all("Provides-Extra") or [])
    assert steps[-1] == ("USER", "jwst")
    compose = read("compose/compose.yaml")
    ours = {name: service for name, service in compose["services"].items() if "build" in service}
    assert set(ours) == set(SYSTEMD_UNITS)
    for service in ours.values():
        build = service["build"]
        assert (DEPLOY / "compose" / build["context"] / build["dockerfile"]).samefile(DEPLOY / "compose" / "Dockerfile")
        mounted = [volume.partition("}:")[2] or volume.split(":")[1] for volume in service["volumes"]]
        assert mounted == [environment["JWSTDOWNLOAD_OUTDIR"], f"{environment['DAGSTER_HOME']}/workspace.yaml"]
        assert set(service["depends_on"]) <= set(compose["services"])
        assert {"JWST_POSTGRES_URL", "MAST_API_TOKEN"} <= set(service["environment"])
    for name in ("web", "daemon"):
        assert f"{environment['DAGSTER_HOME']}/workspace.yaml" in ours[name]["command"]
    database = compose["services"]["database"]
    assert {volume.partition(":")[0] for volume in database["volumes"]} == set(compose["volumes"])


def test_services_log_json_on_request(account, tmp_path):
    assert main(["service", "install", "--user", "--folder", str(tmp_path / "units"), "--log-format", "json"]) == 0
    for path in (tmp_path / "units").iterdir():
        (command,) = [line for line in path.read_text().splitlines() if line.startswith("ExecStart=")]
        assert command.endswith(" --log-format json")


def test_the_log_format_of_the_services_is_not_that_of_the_command_that_installs_them(account, capsys):
    assert main(["service", "install", "--log-format", "json"]) == 2
    assert capsys.readouterr().err.startswith("jwst-mast: Give --user")


def test_the_programs_and_modules_that_the_image_starts_are_there():
    for service in read("compose/compose.yaml")["services"].values():
        command = service.get("command", [])
        for option in ("-m", "--module-name"):
            named = [command[place + 1] for place, word in enumerate(command[:-1]) if word == option]
            assert all(importlib.util.find_spec(name) for name in named), named
    for entry in metadata.entry_points(group="console_scripts"):
        if entry.dist and entry.dist.name == "jwst_mast_assets":
            assert callable(entry.load())


def test_the_helm_values_are_what_dagster_accepts_and_one_machine_has():
    values, single = read("kubernetes/values.yaml"), read("../jwst_mast_assets/dagster.yaml")
    daemon = values["dagsterDaemon"]
    queue = daemon["runCoordinator"]["config"]["customRunCoordinator"]
    coordinator = single["run_coordinator"]
    assert {name: queue[name] for name in ("module", "class")} == {
        name: coordinator[name] for name in ("module", "class")
    }
    accepted = validate_config(Shape(ProposalQueue.config_type()), queue["config"])
    assert accepted.success, accepted.errors
    assert queue["config"] == {**single["concurrency"]["runs"], **coordinator["config"]}
    retries = single["run_retries"]
    assert daemon["runRetries"]["maxRetries"] == retries["max_retries"]
    assert daemon["runRetries"]["retryOnAssetOrOpFailure"] == retries["retry_on_asset_or_op_failure"]
    assert daemon["runMonitoring"]["maxRuntimeSeconds"] == single["run_monitoring"]["max_runtime_seconds"]
    (code,) = values["dagster-user-deployments"]["deployments"]
    grpc_command.make_context("grpc", [*code["dagsterApiGrpcArgs"], "--port", str(code["port"])])
    for pod in (code, values["runLauncher"]["config"]["k8sRunLauncher"]):
        assert {mount["name"] for mount in pod["volumeMounts"]} <= {volume["name"] for volume in pod["volumes"]}


def test_no_configuration_holds_a_password():
    for path in DEPLOY.rglob("*.yaml"):
        text = path.read_text()
        assert not re.search(r"://\w*:[^$@{]+@", text), path
    for path in ("one-server/dagster.yaml", "workers/dagster.yaml"):
        assert read(path)["storage"]["postgres"]["postgres_url"] == {"env": "JWST_POSTGRES_URL"}


def test_larger_installations_differ_from_one_machine_only_where_they_must():
    single = yaml.safe_load((REPOSITORY / "jwst_mast_assets" / "dagster.yaml").read_text())
    server, workers = read("one-server/dagster.yaml"), read("workers/dagster.yaml")
    assert {name: value for name, value in server.items() if name != "storage"} == single
    assert set(workers) - set(server) == {"run_launcher"}
    assert {name for name in server if workers[name] != server[name]} == {"concurrency", "run_monitoring"}
