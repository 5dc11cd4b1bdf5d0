"""Belongs here: the configuration and the archive as Dagster resources, and what ties them to the environment."""

import datetime as dt
import os
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import dagster as dg
import pydantic

from jwst_mast_assets.defs.lost_runs import show_alive
from jwst_mast_assets.defs.table_io import table_io_manager
from jwst_mast_assets.downloads import Event
from jwst_mast_assets.mast.archive import DEFAULT_SERVER, Archive
from jwst_mast_assets.mast.config import SECRETS, Config, load_config
from jwst_mast_assets.mast.errors import JwstMastError
from jwst_mast_assets.records.archive_identity import check, open_archive
from jwst_mast_assets.records.store import TableStore

NOT_IN_LAUNCHPAD = (*SECRETS, "first_day", "sensor_interval")
"""Secrets are not shown; the others are fixed when the code location is loaded."""


READ_TIMEOUT = 20.0
"""Seconds without a byte from MAST before a tick of a sensor or schedule gives up a request."""

TIME_LIMIT = 40.0
"""Seconds after which such a tick makes no further request; Dagster gives it 60."""


class JwstConfig(dg.ConfigurableResource):
    """Every parameter of the config file, under the same names; its defaults are the config file's values."""

    def checked(self) -> Config:
        """The configuration of the run.

        Raises
        ------
        ConfigError
            If a value is bad; the message names the parameter.
        """
        return Config.from_mapping(self.model_dump(), "run config")

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Every run of ours needs the configuration, so this is where it begins to show that it is alive."""
        if context.instance is not None and context.run is not None:
            show_alive(context.instance, context.run.run_id)

    def store(self) -> TableStore:
        """The tables of the run's output folder."""
        return TableStore(self.checked().root)


def config_resource(config: Config) -> JwstConfig:
    """The configuration as a resource with one launchpad field per parameter.

    A run config that sets some fields takes the others from the class defaults, so each configuration gets a
    class of its own whose defaults are its values.
    """
    fields: dict[str, Any] = {
        name: (_launchpad_type(field.annotation), _launchpad_field(getattr(config, name), field.description))
        for name, field in Config.model_fields.items()
        if name not in NOT_IN_LAUNCHPAD
    }
    return pydantic.create_model("JwstConfig", __base__=JwstConfig, **fields)()


def _launchpad_type(annotation: Any) -> Any:
    if get_origin(annotation) is Literal:
        return str
    if get_origin(annotation) in (Union, types.UnionType):
        return _launchpad_type(get_args(annotation)[0]) | None
    return str if annotation is dt.date else annotation


def _launchpad_field(value: Any, description: str | None) -> Any:
    return pydantic.Field(default=value, description=description)


class ArchiveResource(dg.ConfigurableResource):
    """MAST, or an archive that speaks like it. The token comes from ``$MAST_API_TOKEN`` and is never shown."""

    server: str = pydantic.Field(default=DEFAULT_SERVER, description="Address of the archive; $MAST_SERVER where set.")

    _archive: Archive | None = pydantic.PrivateAttr(default=None)

    def open(self, root: Path) -> Archive:
        """The run's connection, for its output folder; a token that is set has been shown to MAST.

        Raises
        ------
        WrongArchive
            If the folder was filled from another archive.
        TokenError
            If MAST does not accept the token.
        """
        if self._archive is None:
            self._archive = open_archive(root, self.server, token=_token_of_the_config_file())
        return _known_to_mast(self._archive)

    def check(self, root: Path) -> None:
        """Raises WrongArchive if the output folder was filled from another archive; asks MAST nothing."""
        check(root, self.server)

    def open_for_a_tick(self, root: Path) -> Archive:
        """A connection for a sensor or schedule, which has less time. Raises as :meth:`open`."""
        options = {"token": _token_of_the_config_file(), "read_timeout": READ_TIMEOUT}
        return _known_to_mast(open_archive(root, self.server, **options, retries=1, time_limit=TIME_LIMIT))


def _known_to_mast(archive: Archive) -> Archive:
    if archive.token:
        archive.whoami()
    return archive


def _token_of_the_config_file() -> str | None:
    # It is no field of the configuration resource: what is one is shown in the launchpad.
    token = load_config().token
    return None if os.environ.get("MAST_API_TOKEN") or not token else token.get_secret_value()


Progress = Callable[[Event], None]
"""Told how far a download is; the command line shows a bar."""


def no_progress(_event: Event) -> None:
    """For runs that nobody watches: Dagster's log says what was done."""


def build_resources(config: Config) -> dict[str, Any]:
    """The resources by key, wired to the environment."""
    # An EnvVar that is not set fails the run, so it is decided here whether it is.
    archive = ArchiveResource(server=dg.EnvVar("MAST_SERVER")) if dg.EnvVar("MAST_SERVER").get_value() else None
    return {
        "jwst_config": config_resource(config),
        "archive": archive or ArchiveResource(),
        "io_manager": table_io_manager,
        "progress": dg.ResourceDefinition.hardcoded_resource(no_progress),
    }


@contextmanager
def plain_failures() -> Iterator[None]:
    """Errors that a person can do something about fail the step with their one sentence.

    MAST was asked several times by then; the sensor requests what failed again later.
    """
    try:
        yield
    except JwstMastError as error:
        raise dg.Failure(str(error), allow_retries=False) from None
