"""Hosts and ports given by the user; an unusable one is refused, not replaced."""

import socket

from jwst_mast_assets.mast.errors import ConfigError


def free_port(host: str, port: int, option: str) -> int:
    """A port that nobody uses: the one given, or any for 0.

    Raises
    ------
    ConfigError
        If it does not exist, is taken, or the host is not of this machine.
    """
    if not 0 <= port <= 65535:
        raise ConfigError(
            f"{option}: {port} is not a valid port; give a number from 1 to 65535, or 0 for any free port"
        )
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            return probe.getsockname()[1]
    except socket.gaierror:
        raise ConfigError(f"--host: {host!r} is not an address of this computer") from None
    except PermissionError:
        raise ConfigError(f"{option}: port {port} needs administrator rights; choose one above 1023") from None
    except OSError as error:
        if "assign" in str(error):
            raise ConfigError(f"--host: {host!r} is not an address of this computer") from None
        raise ConfigError(f"{option}: port {port} is in use by another program; choose another") from None


def address_of(host: str, port: int) -> str:
    """What to type into a browser on this machine."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{port}"
