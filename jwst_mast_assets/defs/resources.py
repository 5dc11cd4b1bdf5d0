"""The configuration and the archive as Dagster resources, and what ties them to the environment."""

import datetime as dt
import os
import types
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar, Literal, Union, get_args, get_origin

import dagster as dg
import pydantic

from jwst_mast_assets.defs.attempts import note_attempt
from jwst_mast_assets.defs.daemon_config import check_not_lost
from jwst_mast_assets.defs.failures import forget_failure
from jwst_mast_assets.defs.lost_runs import show_alive, show_idle
from jwst_mast_assets.defs.partitions import let_the_range_win
from jwst_mast_assets.defs.quick_sqlite import quick_sqlite
from jwst_mast_assets.defs.table_io import table_io_manager
from jwst_mast_assets.downloads import Event, fetch_all
from jwst_mast_assets.mast.archive import Archive
from jwst_mast_assets.mast.config import Config, load_config, parameters_with
from jwst_mast_assets.mast.connection import DEFAULT_SERVER
from jwst_mast_assets.mast.dates import utc_now
from jwst_mast_assets.mast.errors import JwstMastError, OutputError
from jwst_mast_assets.mast.parameter_roles import Role
from jwst_mast_assets.mast.shared_limits import shared_limits
from jwst_mast_assets.records.archive_identity import check, open_archive
from jwst_mast_assets.records.snapshot import Snapshot
from jwst_mast_assets.records.store import TableStore

NOT_IN_LAUNCHPAD = parameters_with(Role.SECRET, Role.PARTITION, Role.PIPELINE, Role.COMMAND)
"""Parameters that a run launched from the web page cannot set: secrets, and those without meaning there."""

TIME_LIMIT = 40.0
"""Seconds after which a tick of a sensor or schedule asks MAST nothing more; Dagster gives it 60."""


class JwstConfig(dg.ConfigurableResource):
    """The parameters that a run may set, under the same names; the config file's values are the defaults."""

    not_in_launchpad: ClassVar[Mapping[str, Any]] = {}
    """The config file's values of the others, secrets left out."""

    _shared: Snapshot | None = pydantic.PrivateAttr(default=None)
    _snapshot: Snapshot | None = pydantic.PrivateAttr(default=None)
    _lost: OutputError | None = pydantic.PrivateAttr(default=None)
    """Why nothing must be written to the output folder."""
    _while_it_runs: ExitStack = pydantic.PrivateAttr(default_factory=ExitStack)

    def snapshot(self) -> Snapshot:
        """What the run knows of its configuration and its output folder: made once, and used by all its steps.

        Raises
        ------
        ConfigError
            If a value is bad; the message names the parameter.
        OutputError
            If the output folder has lost its contents.
        """
        if self._lost:
            raise self._lost
        if self._snapshot is None:
            values = {**self.not_in_launchpad, **self.model_dump()}
            self._snapshot = self._shared or Snapshot(Config.from_mapping(values, "run config"))
        return self._snapshot

    def checked(self) -> Config:
        """The configuration of the run. Raises as :meth:`snapshot`."""
        return self.snapshot().config

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Every run needs the configuration, so this is where it starts to show that it is alive."""
        self._snapshot = self._lost = None
        if context.instance is not None and context.run is not None:
            self._while_it_runs.enter_context(quick_sqlite())
            let_the_range_win(context.run)
            show_alive(context.instance, context.run.run_id)
            forget_failure(context.instance, context.run)
            # What is wrong with the configuration or the folder is for a step to say.
            with suppress(JwstMastError):
                store = self.store()
                if self._shared is None:
                    self._look_for_records(context.instance, store)
                note_attempt(context.run.tags, store, utc_now())

    def _look_for_records(self, instance: dg.DagsterInstance, store: TableStore) -> None:
        # A run may have been queued while the disk was still mounted.
        try:
            check_not_lost(instance, store)
        except OutputError as error:
            self._lost = error

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """The run, or this process's part of it, has ended."""
        self._while_it_runs.close()
        if context.instance is not None and context.run is not None:
            show_idle(context.instance, context.run.run_id)

    def store(self) -> TableStore:
        """The tables of the run's output folder."""
        return self.snapshot().store


def config_resource(config: Config) -> JwstConfig:
    """The configuration as a resource with one launchpad field per parameter.

    A run config that sets some fields takes the others from the class defaults, so each configuration gets its
    own class whose defaults are its values.

    Parameters
    ----------
    config : Config
    """
    fields: dict[str, Any] = {
        name: (_launchpad_type(field.annotation), _launchpad_field(getattr(config, name), field.description))
        for name, field in Config.model_fields.items()
        if name not in NOT_IN_LAUNCHPAD
    }
    model = pydantic.create_model("JwstConfig", __base__=JwstConfig, **fields)
    secrets = parameters_with(Role.SECRET)
    model.not_in_launchpad = {
        name: getattr(config, name)
        for name in NOT_IN_LAUNCHPAD
        if name not in secrets and name in config.model_fields_set
    }
    return model()


def known_config(snapshot: Snapshot) -> dg.ResourceDefinition:
    """The configuration of a command, for its runs: what it knows already is theirs, too.

    The parameters that a run records are those of the snapshot. They are checked already, and Dagster need not make a
    resource of them again for each of its own steps.
    """
    resource = config_resource(snapshot.config)
    resource._shared = snapshot

    @contextmanager
    def for_a_run(context: dg.InitResourceContext) -> Iterator[JwstConfig]:
        resource.setup_for_execution(context)
        try:
            yield resource
        finally:
            resource.teardown_after_execution(context)

    return dg.ResourceDefinition(for_a_run, config_schema=dg.Permissive())


def _launchpad_type(annotation: Any) -> Any:
    if get_origin(annotation) is Literal:
        return str
    if get_origin(annotation) in (Union, types.UnionType):
        if any(get_origin(kind) is Literal for kind in get_args(annotation)):
            return Any  # a number or a word; Config says what is wrong with it
        return _launchpad_type(get_args(annotation)[0]) | None
    return str if annotation is dt.date else annotation


def _launchpad_field(value: Any, description: str | None) -> Any:
    return pydantic.Field(default=value, description=description)


class ArchiveResource(dg.ConfigurableResource):
    """MAST, or an archive that speaks like it. The token comes from ``$MAST_API_TOKEN`` and is never shown."""

    server: str = pydantic.Field(default=DEFAULT_SERVER, description="Address of the archive; $MAST_SERVER where set.")

    _archive: Archive | None = pydantic.PrivateAttr(default=None)

    def open(self, config: Config) -> Archive:
        """The run's connection. A token that MAST does not accept is not used; the archive's warnings say so."""
        if self._archive is None:
            self._archive = open_archive(config.root, self.server, token=current_token(), limits=shared_limits(config))
        return _known_to_mast(self._archive)

    def check(self, root: Path) -> None:
        """Raises WrongArchive if the output folder was filled from another archive; asks MAST nothing."""
        check(root, self.server)

    def open_for_a_tick(self, config: Config) -> Archive:
        """A connection for a sensor or schedule, which has less time."""
        options = {"token": current_token(), "read_timeout": TIME_LIMIT, "time_limit": TIME_LIMIT}
        return _known_to_mast(
            open_archive(config.root, self.server, **options, retries=1, limits=shared_limits(config))
        )


def opened(archive: Archive) -> dg.ResourceDefinition:
    """An archive that is open already, for the runs of a command."""
    resource = ArchiveResource(server=archive.server)
    resource._archive = archive
    return dg.ResourceDefinition.hardcoded_resource(resource)


def _known_to_mast(archive: Archive) -> Archive:
    if archive.token:
        archive.whoami()
    return archive


@contextmanager
def warnings_logged(context: dg.AssetExecutionContext | dg.OpExecutionContext, archive: Archive) -> Iterator[None]:
    """The archive's warnings go into the run's log, even if the step fails."""
    try:
        yield
    finally:
        for sentence in archive.unsaid():
            context.log.warning(sentence)


def current_token() -> str | None:
    """The token in ``$MAST_API_TOKEN``, else that of the config file as it is now.

    It is not a field of the configuration resource, as fields are shown in the launchpad.

    Raises
    ------
    ConfigError
        If the config file cannot be used.
    """
    if token := os.environ.get("MAST_API_TOKEN"):
        return token
    token = load_config().token
    return token.get_secret_value() if token else None


def no_progress(_event: Event) -> None:
    """For unattended runs: Dagster's log says what was done."""


def build_resources(config: Config, instead: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The resources by key, wired to the environment; those that are given are used instead."""
    makers: dict[str, Callable[[], Any]] = {
        "jwst_config": lambda: config_resource(config),
        "archive": _archive_resource,
        "io_manager": lambda: table_io_manager,
        "progress": lambda: dg.ResourceDefinition.hardcoded_resource(no_progress),
        "fetcher": lambda: dg.ResourceDefinition.hardcoded_resource(fetch_all),
    }
    given = instead or {}
    return {**given, **{key: make() for key, make in makers.items() if key not in given}}


def _archive_resource() -> ArchiveResource:
    # An EnvVar that is not set fails the run, so this is checked here.
    server = dg.EnvVar("MAST_SERVER")
    return ArchiveResource(server=server) if server.get_value() else ArchiveResource()
