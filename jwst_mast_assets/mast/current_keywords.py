"""What MAST has now for many recorded files, in few queries: by program if that takes fewer, else by file name."""

import logging
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import pandas as pd

from jwst_mast_assets.mast import tables
from jwst_mast_assets.mast.archive import GUIDE_STARS, Archive
from jwst_mast_assets.mast.errors import ArchiveError, ArchiveUnavailable, ArchiveUnreachable
from jwst_mast_assets.mast.keywords import (
    FILES_PER_QUERY,
    Keywords,
    ask_keywords,
    instrument_of,
    keywords_of,
)
from jwst_mast_assets.mast.names import filetype

log = logging.getLogger("jwst_mast_assets.reprocessing")

PROGRAMS_PER_QUERY = 100

ROWS_PER_QUERY = 20_000
"""Recorded files whose programs are queried at once; MAST's own page ends at 50,000 rows."""

COMPARED_COLUMNS = ("filename", "checksum", "cal_ver", "crds_ctx", "isStale", "ingestCompletionDate")


class Programs(NamedTuple):
    """A query of all files of one type of some programs."""

    instrument: str
    filetype: str
    programs: list[int]
    names: list[str]
    """The recorded files that it should cover."""


def current_keywords(archive: Archive, recorded: pd.Series, had: Collection[str] = ()) -> dict[str, Keywords]:
    """Keywords of recorded FITS files, by name.

    At most one query per instrument, file type and 100 programs or 20,000 recorded files; for few files one per 500
    names. If a query of whole programs has no row for any file of a program, its files are queried by name.

    Parameters
    ----------
    archive : Archive
    recorded : Series of string
        ``productFilename`` values; the service only knows FITS files.
    had : collection of str
        Those of which the service had a checksum. MAST sends a short or empty answer as complete now and then: what
        it leaves out of these is asked for again, and if that is most of an instrument's, they are unanswered.

    Returns
    -------
    dict
        File name to :class:`Keywords`; without those that the service does not have.

    Raises
    ------
    ArchiveError
        If no service answers. The files of an instrument whose service does not are :func:`unanswered`, and named
        in ``archive.warnings``.
    """
    by_program, names = plan_queries(recorded)
    found: dict[str, Keywords] = {}
    silent: dict[str, ArchiveUnavailable] = {}

    def note(instrument: str, files: Sequence[str], error: ArchiveUnavailable) -> None:
        silent[instrument] = error
        archive.failures.setdefault(f"{instrument} keywords", {}).update(dict.fromkeys(files, str(error)))
        archive.warn(f"The keyword service of {instrument} does not answer; its files are compared next time: {error}")

    for query in by_program:
        if query.instrument in silent:
            note(query.instrument, query.names, silent[query.instrument])
            continue
        try:
            found |= _ask_programs(archive, query)
        except ArchiveUnreachable:
            raise
        except ArchiveUnavailable as error:
            note(query.instrument, query.names, error)
    for instrument, files in _by_instrument(names).items():
        try:
            found |= ask_keywords(files, archive)
        except ArchiveUnreachable:
            raise
        except ArchiveUnavailable as error:
            note(instrument, files, error)
    asked = {query.instrument for query in by_program} | _by_instrument(names).keys()
    if silent and silent.keys() == asked:
        raise next(iter(silent.values()))
    return found | _left_out(archive, found, had)


def _left_out(archive: Archive, found: Collection[str], had: Collection[str]) -> dict[str, Keywords]:
    """The keywords of files that an answer left out although they had some; what most lack still is unanswered."""
    lost = sorted(set(had) - set(found) - unanswered(archive))
    if not lost:
        return {}
    try:
        again = ask_keywords(lost, archive)
    except ArchiveUnreachable:
        raise
    except ArchiveUnavailable:
        again = {}
    lost = [name for name in lost if name not in again]
    numbers = Counter(instrument_of(name) for name in had)
    for instrument, files in _by_instrument(lost).items():
        number = numbers[instrument]
        if 2 * len(files) > number:
            why = f"the keyword service of {instrument} leaves out {len(files)} of {number} files that it had"
            archive.failures.setdefault(f"{instrument} keywords", {}).update(dict.fromkeys(files, why))
            archive.warn(f"{why[0].upper()}{why[1:]}; their checksums are compared again later")
    return again


def _by_instrument(names: Sequence[str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(str(instrument_of(name)), []).append(name)
    return groups


def unanswered(archive: Archive) -> set[str]:
    """Names of the files for which a keyword service did not answer."""
    return {str(name) for what, failed in archive.failures.items() if what.endswith(" keywords") for name in failed}


def silent_services(archive: Archive) -> list[str]:
    """The instruments whose keyword service did not answer, sorted."""
    ends = " keywords"
    return sorted(
        what.removesuffix(ends) for what, failed in archive.failures.items() if what.endswith(ends) and failed
    )


def plan_queries(recorded: pd.Series) -> tuple[list[Programs], list[str]]:
    """Which programs to query, and which files by name, to keep queries few."""
    name = recorded.dropna().drop_duplicates().astype("string")
    instrument = name.map(instrument_of).astype("string")
    table = pd.DataFrame({"name": name, "instrument": instrument, "filetype": filetype(name)})
    table["program"] = name.str.extract(r"^jw(\d{5})")[0].astype("Int64")
    table = table[instrument.notna()]
    # Guide stars are asked for by name: their service sends all its columns, of whole programs too much. Without a word
    # for its type a file can only be asked for together with all others of its ending.
    unclear = table[["filetype", "program"]].isna().any(axis=1) | (table["instrument"] == GUIDE_STARS)
    unclear |= ~tables.is_true(table["filetype"].str.startswith("_"))
    by_name = table.loc[unclear, "name"].tolist()
    queries: list[Programs] = []
    for (of, kind), rows in table[~unclear].groupby(["instrument", "filetype"]):
        packed = list(_packed(rows, str(of), str(kind)))
        if -(-len(rows) // FILES_PER_QUERY) <= len(packed):
            by_name += rows["name"].tolist()
        else:
            queries += packed
    return queries, by_name


def _packed(rows: pd.DataFrame, instrument: str, kind: str) -> Iterator[Programs]:
    """The programs of some files, as many at once as one query may bring."""
    query = Programs(instrument, kind, [], [])
    for program, names in rows.groupby("program")["name"]:
        too_many = len(query.names) + len(names) > ROWS_PER_QUERY or len(query.programs) == PROGRAMS_PER_QUERY
        if query.programs and too_many:
            yield query
            query = Programs(instrument, kind, [], [])
        query.programs.append(int(program))  # pyright: ignore[reportArgumentType]
        query.names.extend(names)
    if query.programs:
        yield query


def _ask_programs(archive: Archive, query: Programs) -> dict[str, Keywords]:
    wanted = set(query.names)

    def ask(programs: Sequence[int]) -> pd.DataFrame:
        filters = [
            {"paramName": "program", "values": [str(program) for program in programs]},
            {"paramName": "filename", "values": [], "freeText": f"%{query.filetype}"},
        ]
        return archive.keywords(query.instrument, filters, COMPARED_COLUMNS)

    kind = f"{query.instrument} keywords of programs"
    try:
        answers = archive.in_parts(kind, query.programs, ask, PROGRAMS_PER_QUERY)
    except ArchiveError as error:
        # Programs can be too large for MAST to answer in time; single files are not.
        log.warning("%s %s of %s: %s; asking by name", query.instrument, query.filetype, query.programs, error)
        return ask_keywords(query.names, archive)
    found: dict[str, Keywords] = {}
    for answer in answers:
        found |= {name: keywords for name, keywords in keywords_of(answer).items() if name in wanted}
    # Programs that failed alone also have no rows.
    return found | ask_keywords(_of_silent_programs(query.names, found), archive)


def _of_silent_programs(names: Sequence[str], found: dict[str, Keywords]) -> list[str]:
    """The files of programs without any row: the service may spell their number differently."""
    heard = {name[:7] for name in found}
    return [name for name in names if name[:7] not in heard]
