"""``jwst-mast service install --user``: systemd units that keep Dagster running on a server."""

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from jwst_mast_assets.cli.dagster_process import WORKSPACE_OF_SERVER
from jwst_mast_assets.cli.messages import TEXT, add_log_format
from jwst_mast_assets.cli.options import Parser
from jwst_mast_assets.mast.errors import ConfigError

SYSTEMD_UNITS = ("code", "web", "daemon")
"""The services ``jwst-mast-code``: the code, and the runs it launches; ``-web``: Dagster's page; ``-daemon``: sensors,
schedules and the queue."""

KEPT = (
    *("DAGSTER_HOME", "JWSTDOWNLOAD_OUTDIR", "JWST_QUERY_CFGFILE", "MAST_SERVER", "JWST_EXECUTOR", "PATH"),
    *("AWS_ENDPOINT_URL", "AWS_REGION"),
    *("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE"),
)
"""Variables whose present values go into the environment file."""

SECRET = ("JWST_POSTGRES_URL", "MAST_API_TOKEN", "JWST_NOTIFY_URLS", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
"""Variables that the user adds to it."""

"""Dagster's, the first being its default."""

UNIT = """[Unit]
Description=jwst_mast_assets: {description}
After=network-online.target{after}

[Service]
EnvironmentFile={environment}
ExecStart={command}
Restart=on-failure
RestartSec=10
TimeoutStopSec=60

[Install]
WantedBy=default.target
"""


def add_commands(commands: "argparse._SubParsersAction[Parser]") -> None:
    """Add the command to ``jwst-mast``."""
    service = commands.add_parser("service", help="write systemd units that keep Dagster running on a server")
    actions = service.add_subparsers(metavar="ACTION", required=True)
    install = actions.add_parser("install", help="write the units and their environment file, and say how to start")
    install.add_argument("--user", action="store_true", help="as services of your own account (required)")
    install.add_argument("--port", type=int, default=3000, help="port of Dagster's page (default %(default)s)")
    install.add_argument("--code-port", type=int, default=4266, help="port of the code (default %(default)s)")
    add_log_format(install, "the services' logs", dest="format_of_services")
    install.add_argument("--folder", type=Path, help="folder for the units (default ~/.config/systemd/user)")
    install.set_defaults(run=run_install)


def run_install(arguments: argparse.Namespace) -> int:
    """``jwst-mast service install``; returns the exit status.

    Raises
    ------
    ConfigError
        Without ``--user``, or if no output folder is set.
    """
    from jwst_mast_assets.cli.runs import dagster_home, prepare_home
    from jwst_mast_assets.defs.daemon_config import check_folder_is_set
    from jwst_mast_assets.mast.config import load_config

    if not arguments.user:
        raise ConfigError("Give --user: the services run under your own account, so that the files are yours")
    check_folder_is_set(load_config())
    home = dagster_home()
    prepare_home(home)
    configuration = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    environment = configuration / "jwst_mast_assets" / "environment"
    workspace = home / "jwst_mast_assets_server.yaml"
    workspace.write_text(WORKSPACE_OF_SERVER.format(port=arguments.code_port), encoding="utf-8")
    kept = _write_environment(environment, {**os.environ, "DAGSTER_HOME": str(home)})
    folder = arguments.folder or configuration / "systemd" / "user"
    folder.mkdir(parents=True, exist_ok=True)
    ports = arguments.port, arguments.code_port
    for name, text in units(sys.executable, environment, workspace, *ports, arguments.format_of_services).items():
        (folder / name).write_text(text, encoding="utf-8")
        print(f"Wrote {folder / name}")
    print(f"{'Kept' if kept else 'Wrote'} {environment}; add to it what is secret: {', '.join(SECRET)}")
    print("Start them, now and whenever the server starts:")
    print("  loginctl enable-linger")
    print("  systemctl --user daemon-reload")
    print(f"  systemctl --user enable --now {' '.join(f'jwst-mast-{name}' for name in SYSTEMD_UNITS)}")
    print(f"Dagster's page: http://127.0.0.1:{arguments.port}")
    return 0


def units(
    python: str, environment: Path, workspace: Path, port: int, code_port: int, log_format: str = TEXT
) -> dict[str, str]:
    """The text of each unit, by file name.

    Parameters
    ----------
    python : str
        The interpreter that has the package.
    environment : Path
        The environment file.
    workspace : Path
        The workspace file, which names the code's port.
    port, code_port : int
        Of Dagster's page and of the code.
    log_format : str
        ``text`` or ``json``.
    """
    logs = "" if log_format == TEXT else f" --log-format {log_format}"
    location = "-m jwst_mast_assets.definitions --location-name jwst_mast_assets"
    commands = {
        # Not "code-server start": if its child, which holds the code, is killed, it goes on without, forever.
        "code": ("code and runs", f"-m dagster api grpc -h 127.0.0.1 -p {code_port} {location}"),
        "web": ("Dagster's page", f"-m dagster_webserver -h 127.0.0.1 -p {port} -w {_quoted(workspace)}"),
        "daemon": ("sensors, schedules and queue", f"-m dagster._daemon run -w {_quoted(workspace)}"),
    }
    return {
        f"jwst-mast-{name}.service": UNIT.format(
            description=description,
            after="" if name == "code" else " jwst-mast-code.service",
            environment=_quoted(environment, spaces=False),
            command=f"{_quoted(Path(python))} {command}{logs}",
        )
        for name, (description, command) in commands.items()
    }


def _quoted(path: Path, spaces: bool = True) -> str:
    """A path as systemd reads it: a per cent sign is doubled, and in a command blanks are quoted."""
    text = str(path).replace("%", "%%")
    return f'"{text}"' if spaces and " " in text else text


def _write_environment(path: Path, values: Mapping[str, str]) -> bool:
    """Write the environment file, for the user's eyes only; True if there was one, which is kept as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ["# The environment of the services jwst-mast-*. Restart them after a change."]
    lines += [f'{name}="{_escaped(values[name])}"' for name in KEPT if values.get(name)]
    lines += [f"#{name}=" for name in SECRET]
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return True
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    return False


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')
