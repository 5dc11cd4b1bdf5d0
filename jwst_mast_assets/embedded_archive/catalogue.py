"""The holdings of the embedded archive: observations, products, keywords and files, and how they change."""

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from jwst_mast_assets.embedded_archive import assembly, columns, keywords, rows, saved_tables
from jwst_mast_assets.embedded_archive.assembly import Member
from jwst_mast_assets.embedded_archive.default_programs import PROGRAMS, default_observations
from jwst_mast_assets.embedded_archive.files import DATA_URI_PREFIX, ProductFile
from jwst_mast_assets.embedded_archive.identifiers import unix_to_mjd
from jwst_mast_assets.embedded_archive.programs import Candidate, Declared, Observation, Planned, Program
from jwst_mast_assets.embedded_archive.rows import Row
from jwst_mast_assets.embedded_archive.unusual_programs import unusual_observations

TablePath = str | os.PathLike[str]

_SHORT_DETECTORS = ("a1", "a2", "a3", "a4", "along", "b1", "b2", "b3", "b4", "blong")


class Catalogue:
    """Tables and files, empty at first.

    Parameters
    ----------
    proposal_ids : {"mixed", "plain", "padded"}
        How ``proposal_id`` is recorded: as each program says (``2731`` or ``02731``), or all alike.

    Attributes
    ----------
    observations : list of dict
        Rows of ``Mast.Caom.Filtered``.
    files : dict of str to ProductFile
        By file name.
    cloud_prefix : str
        What ``path_lookup`` puts before the keys of files in the cloud.
    lock : threading.RLock
        Held while rows or files change.
    """

    def __init__(self, proposal_ids: str = "mixed") -> None:
        if proposal_ids not in ("mixed", "plain", "padded"):
            raise ValueError(f"proposal_ids is mixed, plain or padded, not {proposal_ids!r}")
        self.proposal_ids = proposal_ids
        self.cloud_prefix = "s3://stpubdata/"
        self.observations: list[Row] = []
        self.files = assembly.Files()
        self.lock = threading.RLock()
        self._products: dict[int, list[Row]] = {}
        self._recorded_keywords: dict[str, Row] = {}
        self._exposures: list[tuple[Observation, list[Member]]] = []

    @classmethod
    def default(cls, now: float | None = None, proposal_ids: str = "mixed") -> "Catalogue":
        """The archive described in `programs`.

        Parameters
        ----------
        now : float, optional
            MJD that recent observations are placed before; the present time by default.
        proposal_ids : {"mixed", "plain", "padded"}

        Returns
        -------
        Catalogue
        """
        catalogue = cls(proposal_ids)
        for declared in default_observations(unix_to_mjd(time.time()) if now is None else now):
            catalogue.add(declared)
        return catalogue

    @classmethod
    def unusual(cls) -> "Catalogue":
        """The programs described in `unusual_programs`, and no others.

        Returns
        -------
        Catalogue
        """
        catalogue = cls()
        for declared in unusual_observations():
            catalogue.add(declared)
        return catalogue

    @classmethod
    def from_csv(
        cls, observations_csv: TablePath, products_csv: TablePath | None = None, keywords_csv: TablePath | None = None
    ) -> "Catalogue":
        """Tables saved from MAST, served as they are; only the bytes of the files are made up.

        Files have the recorded size, whatever it is; ``checksum`` in keyword rows is that of the bytes served.

        Parameters
        ----------
        observations_csv, products_csv, keywords_csv : path
            With the columns of the corresponding services as heading.

        Returns
        -------
        Catalogue
        """
        catalogue = cls()
        catalogue.observations = saved_tables.read_rows(
            observations_csv, columns.OBSERVATION_COLUMNS, ("obsid", "objID")
        )
        if keywords_csv is not None:
            identifiers = ("ArchiveFileID", "FileSetId", "fileSize")
            for row in saved_tables.read_rows(keywords_csv, columns.KEYWORD_COLUMNS, identifiers):
                catalogue._recorded_keywords[str(row["filename"])] = row
        if products_csv is not None:
            for row in saved_tables.read_rows(products_csv, columns.PRODUCT_COLUMNS, ("obsID", "parent_obsid")):
                catalogue._add_recorded_product(row)
        return catalogue

    @property
    def products(self) -> list[Row]:
        """All rows of ``Mast.Caom.Products``, a list of dict."""
        return [row for listed in self._products.values() for row in listed]

    def products_of(self, obsids: Iterable[int]) -> list[Row]:
        """Product rows of the observations with these ``obsid``, in the order asked."""
        return [row for obsid in obsids for row in self._products.get(obsid, ())]

    @property
    def keywords(self) -> list[Row]:
        """All keyword rows without their checksums, a list of dict."""
        return list(self.keyword_rows())

    def keyword_rows(self, instrument: str | None = None, names: Iterable[str] | None = None) -> Iterator[Row]:
        """Keyword rows, without checksums, of the FITS files of one instrument (any capitals) or all.

        The files of guide stars are those of ``GuideStar``, whose rows have ``fileName``, not of ``Fgs``. With `names`
        only those files.
        """
        for file in [self.files[name] for name in (list(self.files) if names is None else names) if name in self.files]:
            if file.extension != "fits":
                continue
            guide_star = "_gs-" in file.name
            service = "guidestar" if guide_star else (file.header.get("INSTRUME") or "").lower()
            if instrument and service != instrument.lower():
                continue
            recorded = self._recorded_keywords.get(file.name)
            row = keywords.recorded_row(recorded, file) if recorded else keywords.keyword_row(file)
            yield keywords.guide_star_row(row) if guide_star else row

    def file_of(self, uri: str) -> ProductFile | None:
        """The `ProductFile` of a ``dataURI``, or None."""
        return self.files.get(uri[len(DATA_URI_PREFIX) :]) if uri.startswith(DATA_URI_PREFIX) else None

    def add(self, declared: Declared, program: Program | None = None) -> list[int]:
        """Add what is declared as in `programs`.

        Parameters
        ----------
        declared : Observation, Candidate or Planned
        program : Program, optional
            Of a number that `programs` does not have.

        Returns
        -------
        list of int
            The new rows' ``obsid``.
        """
        program = program or PROGRAMS.get(declared.program)
        program = program or Program(declared.program, f"Program {declared.program}", "Doe, Jane")
        if self.proposal_ids != "mixed":
            program = replace(program, padded=self.proposal_ids == "padded")
        with self.lock:
            before = len(self.observations)
            if isinstance(declared, Planned):
                self.observations += rows.planned_rows(declared, program)
            elif isinstance(declared, Candidate):
                self._add_candidate(declared, program)
            else:
                self._add_observation(declared, program)
            return [row["obsid"] for row in self.observations[before:]]

    def add_observation(
        self,
        proposal: int | str,
        obsnum: int | str,
        t_min: float | None = None,
        detectors: Iterable[str] = ("nrca1",),
        **settings: Any,
    ) -> list[int]:
        """A new observation appears in the archive.

        Parameters
        ----------
        proposal, obsnum : int
        t_min : float, optional
            MJD; an hour ago by default.
        detectors : sequence of str
            ``nrca1`` or ``a1``, ``mirimage``, ...
        **settings
            Any other field of `programs.Observation`.  The visit is the first one that is free.

        Returns
        -------
        list of int
            The new rows' ``obsid``.
        """
        start = unix_to_mjd(time.time()) - 1 / 24 if t_min is None else float(t_min)
        full = tuple(f"nrc{name}" if name in _SHORT_DETECTORS else name for name in detectors)
        with self.lock:
            settings.setdefault("visit", self._free_visit(int(proposal), int(obsnum)))
            return self.add(Observation(int(proposal), int(obsnum), start, full, **settings))

    def reprocess(
        self,
        which: str | Iterable[str] | Callable[[str], bool],
        cal_ver: str = "1.19.2",
        crds_ctx: str = "jwst_1413.pmap",
        same_size: bool = True,
        when: float | None = None,
    ) -> list[str]:
        """Files are ingested again under their names, with other bytes.

        Parameters
        ----------
        which : str, list of str or callable
            File names, or what says of a file name whether it is meant.
        cal_ver, crds_ctx : str
            What the new files were made with.
        same_size : bool
            Usually true in MAST, which is why the size cannot tell a reprocessed file.
        when : float, optional
            Time of the new ingest in seconds since 1970; now by default.

        Returns
        -------
        list of str
            Names of the files that changed.

        Raises
        ------
        KeyError
            If a file name is not in the archive.
        """
        with self.lock:
            names = [which] if isinstance(which, str) else which
            names = [name for name in self.files if names(name)] if callable(names) else list(names)
            for file in [self.files[name] for name in names]:
                file.reprocess(cal_ver, crds_ctx, time.time() if when is None else when, same_size)
            self._update_products(set(names))
            return names

    def release(self, proposal: int | str, migrated: bool = True) -> int:
        """The exclusive-access period of a proposal ends; returns how many files became public.

        If not `migrated`, the tables call them public, but a download is refused until `migrate`.
        """
        now = time.time()
        prefix = f"jw{int(proposal):05d}"
        with self.lock:
            released = {name for name, file in self.files.items() if file.exclusive and name.startswith(prefix)}
            for name in released:
                self.files[name].exclusive = False
                self.files[name].migrated = migrated
                self.files[name].release = unix_to_mjd(now)
            for row in self.observations:
                if row["obs_id"].startswith(prefix) and row["dataRights"] != "PUBLIC":
                    row.update(dataRights="PUBLIC", t_obs_release=unix_to_mjd(now))
            self._update_products(released)
        return len(released)

    def migrate(self, proposal: int | str) -> None:
        """The released files of a proposal can be downloaded from now on."""
        for name, file in self.files.items():
            file.migrated = file.migrated or name.startswith(f"jw{int(proposal):05d}")

    def _add_observation(self, observation: Observation, program: Program) -> None:
        members = assembly.members_of(observation, program, self.files)
        self._exposures.append((observation, members))
        level3 = observation.listed in ("level3", "both")
        products = assembly.level3_members(observation, program, members, self.files) if level3 else []
        if observation.listed in ("exposures", "both"):
            for member in members:
                level = 2 if any("cal" in file.suffix for file in member.files) else 1
                self._list(rows.observation_row(member, observation, program, level, [member]), [member], program)
        for product in products:
            listed = rows.observation_row(product, observation, program, 3, members)
            self._list(listed, [product, *members], program)

    def _add_candidate(self, candidate: Candidate, program: Program) -> None:
        chosen = [
            (observation, members)
            for observation, members in self._exposures
            if observation.program == candidate.program
            and observation.obsnum in candidate.obsnums
            and observation.filter == candidate.filter
        ]
        members = [member for _, group in chosen for member in group]
        first = chosen[0][0]
        instrument = first.instrument_name.split("/")[0].lower()
        elements = assembly.optical_elements(first)
        label = f"c{candidate.number}"
        obs_id = f"jw{program.number:05d}-{label}_{first.target_number}_{instrument}_{elements}"
        assembly.add_level2c(members, label, first, self.files)
        product = assembly.level3_member(obs_id, first, program, members, self.files)
        self._list(rows.observation_row(product, first, program, 3, members), [product, *members], program)

    def _list(self, row: Row, members: Iterable[Member], program: Program) -> None:
        self.observations.append(row)
        obsid = row["obsid"]
        self._products[obsid] = [
            rows.product_row(file, member, obsid, program.proposal_id) for member in members for file in member.files
        ]

    def _free_visit(self, proposal: int, obsnum: int) -> int:
        observation = f"jw{proposal:05d}{obsnum:03d}"
        taken = {visit[10:] for visit in self.files.visits() if visit.startswith(observation)}
        return next(visit for visit in range(1, 1000) if f"{visit:03d}" not in taken)

    def _update_products(self, names: set[str]) -> None:
        for row in self.products:
            if row["productFilename"] in names:
                file = self.files[row["productFilename"]]
                row["size"] = file.size
                row["dataRights"] = "EXCLUSIVE_ACCESS" if file.exclusive else "PUBLIC"
                row["prvversion"] = file.cal_ver if row["calib_level"] > 1 else row["prvversion"]

    def _add_recorded_product(self, row: Row) -> None:
        name = row["productFilename"]
        self._products.setdefault(row["parent_obsid"], []).append(row)
        if name not in self.files:
            header = saved_tables.header_of(name, row, self._recorded_keywords.get(name, {}))
            self.files[name] = ProductFile(name, row["size"], header, exclusive=row["dataRights"] != "PUBLIC")
