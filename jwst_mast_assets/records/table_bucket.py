"""Tables in an S3-compatible object store, one object each, under the names that they have in a folder.

``<root>/.jwst_mast_assets/tables.json`` says in which bucket an output folder has its tables, and the object
``output_folder.json`` beside the tables says whose they are::

    {"place": "s3://bucket/prefix", "id": "6f2c...", "since": "2026-03-01T06:00:03+00:00"}
    {"id": "6f2c...", "folder": "/data/jwst", "host": "archive"}

So two folders do not share their tables by mistake, and an emptied bucket is not taken for a new one.
"""

import datetime as dt
import hashlib
import json
import os
import platform
import re
import time
import uuid
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from jwst_mast_assets.mast.dates import utc_now
from jwst_mast_assets.mast.errors import ConfigError, OutputError, TablesRefused, TablesUnreachable
from jwst_mast_assets.records.files import write_text
from jwst_mast_assets.records.table_places import NOTE, REMEDY, Found, read_note

if TYPE_CHECKING:
    from obstore.store import S3Store

MARK = "output_folder.json"
"""Name of the object that says whose tables these are."""

AT_A_TIME = 8
"""Tables that are read at a time."""

CONNECT, ANSWER = dt.timedelta(seconds=5), dt.timedelta(seconds=20)
"""How long to wait for a connection and for a whole answer; a tick of a sensor has a minute for everything."""

RETRIES = 3

LISTED_FOR = 5.0
"""Seconds for which a list of objects is used again, unless a lock is taken in the meantime: a command needs the same
few lists many times."""

DENIED = ("401", "403")


class Bucket:
    """The tables of one output folder in a bucket.

    Parameters
    ----------
    url : str
        ``s3://bucket/prefix``. Keys, region and server are those of AWS's environment variables.
    state : Path
        ``<root>/.jwst_mast_assets``.
    locked : callable
        Makes a lock by name that other processes with the same output folder respect.

    Raises
    ------
    ConfigError
        From all methods: if the package obstore is missing, or the tables are those of another output folder.
    TablesUnreachable
        From all methods: if the server does not answer or refuses.
    OutputError
        If a table is damaged or the bucket has lost them all.
    """

    def __init__(self, url: str, state: Path, locked: Callable[[str], AbstractContextManager[None]]) -> None:
        self.url = url
        self.state = state
        self.root = state.parent
        self.locked = locked
        self._is_checked = self._is_claimed = False
        self._lists: dict[str, tuple[float, dict[str, tuple[Found, int]]]] = {}

    def where(self, name: str) -> str:
        """An address."""
        return f"{self.url}/{name}"

    def exists(self) -> bool:
        """Whether any table was ever written."""
        self.check()
        return bool(self._note().get("since"))

    def names(self, asset: str) -> list[str]:
        """The names of all tables of an asset, sorted."""
        return sorted(name for name in self._listed(asset) if name.endswith(".parquet"))

    def of_proposal(self, asset: str, proposal: str) -> dict[str, Found]:
        """The tables of an asset and proposal, sorted by name; one request for a thousand."""
        return {name: found for name, (found, _) in sorted(self._listed(f"{asset}/{proposal}").items())}

    def find(self, names: Iterable[str]) -> dict[str, Found]:
        """Those of some tables that are there; a request per asset and proposal."""
        names = list(names)
        listed: dict[str, tuple[Found, int]] = {}
        for folder in sorted({name.rpartition("/")[0] for name in names}):
            listed |= self._listed(folder)
        return {name: listed[name][0] for name in names if name in listed}

    def read(self, found: Mapping[str, Found]) -> list[tuple[Hashable, pa.Table]]:
        """The stamp and content of each of some tables, a request each."""
        if len(found) < 2:
            return [self._read(name) for name in found]
        with ThreadPoolExecutor(AT_A_TIME) as threads:
            return list(threads.map(self._read, found))

    def write(self, name: str, table: pa.Table, found: Found | None) -> Hashable:
        """Replace a table, in one step, unless its content is the same."""
        self._claim()
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink)
        written = sink.getvalue().to_pybytes()
        # S3's tag of an object that was sent in one piece; where it is another, the table is sent again.
        tag = hashlib.md5(written, usedforsecurity=False).hexdigest()
        if found is None or found.stamp != self._stamp(name, f'"{tag}"'):
            with self._plainly():
                stamp = self._stamp(name, self._store.put(name, written)["e_tag"])
            for folder, (_, listed) in self._lists.items():
                if name.startswith(f"{folder}/"):
                    listed[name] = Found(stamp, time.time()), len(written)
            return stamp
        return found.stamp

    def check(self) -> None:
        """Check that the bucket answers, and that its tables are those of this output folder."""
        if not self._is_checked:
            self._check_now()

    def _check_now(self) -> tuple[dict[str, Any], dict[str, str] | None]:
        """The note and the mark, if they belong together."""
        note = self._note()
        if note and note["place"] != self.url:
            raise ConfigError(
                f"tablerootdir: the tables of {self.root} are in {note['place']}, not in {self.url}; change "
                f"tablerootdir, or copy them with: aws s3 sync {note['place']} {self.url} --exclude {MARK}, and then "
                f"remove {self.state / NOTE}"
            )
        mark = self._mark()
        if mark and mark["id"] != note.get("id"):
            raise ConfigError(
                f"tablerootdir: {self.url} has the tables of another output folder, {mark['folder']} on {mark['host']} "
                f"(is its disk mounted?); choose another prefix, or, if that folder no longer exists, remove "
                f"{self.where(MARK)} to go on with its tables"
            )
        if note.get("since") and mark is None:
            raise OutputError(
                f"{self.url} has lost the tables of {self.root}: restore them, with {MARK}; or remove "
                f"{self.state / NOTE} to go on with what is there"
            )
        if mark:
            self._check_owner(mark)
        else:
            self._check_copied()
        self._is_checked = True
        self._is_claimed = bool(note.get("since") and mark and mark["folder"] == str(self.root))
        return note, mark

    def _check_owner(self, mark: Mapping[str, str]) -> None:
        """Check that the output folder is the one that is marked, or that one after a move, and no copy."""
        folder = Path(mark["folder"])
        if folder == self.root or (mark["host"] == platform.node() and not self._is_another(folder)):
            return
        raise ConfigError(
            f"tablerootdir: the tables in {self.url} are those of {folder} on {mark['host']}, and {self.root} is a "
            f"copy of it; choose another prefix, or, if the folder was moved, remove {self.where(MARK)} and "
            f"{self.state / NOTE}"
        )

    def _is_another(self, folder: Path) -> bool:
        """Whether a folder is an output folder of its own, with a note of its tables."""
        note = folder / self.state.name / NOTE
        return note.exists() and not os.path.samefile(note, self.state / NOTE)

    def _check_copied(self) -> None:
        """Check that tables that are still in the output folder have been copied to the bucket."""
        here = {path: path.stat() for path in self._left_in_the_folder()}
        if not here:
            return
        there = self._list("")
        lacking = 0
        for path, at in here.items():
            found, size = there.get(path.relative_to(self.state / "tables").as_posix(), (None, None))
            lacking += found is None or size != at.st_size or int(found.changed) < int(at.st_mtime)
        if lacking:
            raise ConfigError(
                f"tablerootdir: {lacking} of the {len(here)} tables in {self.state / 'tables'} are not in {self.url} "
                f"yet; copy them while nothing runs: aws s3 sync {self.state / 'tables'} {self.url}"
            )

    def _claim(self) -> None:
        """Mark the tables as those of this output folder, where they are not."""
        self.check()
        if self._is_claimed:
            return
        with self.locked("tables"):
            note, mark = self._check_now()
            if not note:
                note = {"place": self.url, "id": uuid.uuid4().hex, "since": None}
                # Before the mark, so that it is known as our own if this process ends in between.
                write_text(self.state / NOTE, json.dumps(note) + "\n")
            if mark is None or mark["folder"] != str(self.root):
                mark = {"id": note["id"], "folder": str(self.root), "host": platform.node()}
                with self._plainly():
                    self._store.put(MARK, (json.dumps(mark) + "\n").encode())
            if not note["since"]:
                now = utc_now().isoformat(timespec="seconds")
                write_text(self.state / NOTE, json.dumps({**note, "since": now}) + "\n")
                self._set_aside(now)
        self._is_claimed = True

    def _left_in_the_folder(self) -> list[Path]:
        return list((self.state / "tables").glob("*/*/*.parquet"))

    def _set_aside(self, now: str) -> None:
        """Move the tables in the output folder away: they are in the bucket, and soon will be out of date."""
        aside = self.state / f"tables_until_{re.sub(r'[-:]', '', now[:19])}"
        for folder in {path.parent.parent for path in self._left_in_the_folder()}:
            aside.mkdir(exist_ok=True)
            folder.rename(aside / folder.name)

    def _note(self) -> dict[str, Any]:
        return read_note(self.state)

    def _mark(self) -> dict[str, str] | None:
        with self._plainly():
            try:
                mark = json.loads(bytes(self._store.get(MARK).bytes()))
                return {name: str(mark[name]) for name in ("id", "folder", "host")}
            except FileNotFoundError as error:
                if "NoSuchBucket" in str(error):
                    raise
                return None
            except (ValueError, TypeError, KeyError):
                raise OutputError(f"{self.where(MARK)} is damaged; remove it if no other folder uses it") from None

    def list_again(self) -> None:
        """Forget what is in the bucket: a lock is held now, and what others wrote before must be seen."""
        self._lists.clear()

    def _listed(self, folder: str) -> dict[str, tuple[Found, int]]:
        self.check()
        now = time.monotonic()
        if folder not in self._lists or now - self._lists[folder][0] > LISTED_FOR:
            self._lists[folder] = now, self._list(folder)
        return self._lists[folder][1]

    def _list(self, folder: str) -> dict[str, tuple[Found, int]]:
        """The objects below a folder, with their sizes."""
        with self._plainly():
            return {
                one["path"]: (
                    Found(self._stamp(one["path"], one["e_tag"]), one["last_modified"].timestamp()),
                    one["size"],
                )
                for some in self._store.list(f"{folder}/" if folder else None)
                for one in some
            }

    def _read(self, name: str) -> tuple[Hashable, pa.Table]:
        with self._plainly():
            try:
                answer = self._store.get(name)
                content = answer.bytes()
            except FileNotFoundError:
                raise TablesUnreachable(f"{self.where(name)} was removed while it was read; try again") from None
        try:
            return self._stamp(name, answer.meta["e_tag"]), pq.ParquetFile(pa.py_buffer(content)).read(
                use_threads=False
            )
        except pa.ArrowException:
            raise OutputError(f"{self.where(name)} cannot be read (damaged); {REMEDY}") from None

    def _stamp(self, name: str, tag: str | None) -> Hashable:
        # Without a tag, no two of them are the same.
        return name, tag or uuid.uuid4().hex

    @cached_property
    def _store(self) -> "S3Store":
        try:
            from obstore.store import S3Store
        except ImportError:
            raise ConfigError(
                "tablerootdir: tables on S3 need the package obstore: pip install 'jwst_mast_assets[s3]'"
            ) from None
        bucket, _, prefix = self.url.removeprefix("s3://").partition("/")
        return S3Store(
            bucket,
            prefix=prefix or None,
            client_options={"allow_http": True, "connect_timeout": CONNECT, "timeout": ANSWER},
            retry_config={"max_retries": RETRIES, "retry_timeout": ANSWER},
        )

    @contextmanager
    def _plainly(self) -> Iterator[None]:
        """What the server or the way to it says, as one sentence."""
        _ = self._store
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, OSError) as error:
            raise _sentence(str(error), self.url) from None


def _sentence(said: str, url: str) -> TablesUnreachable:
    """The error for what a server has said."""
    status = re.search(r"status code: (\d+)", said)
    code = re.search(r"<Code>(\w+)</Code>", said)
    reason = " ".join(found[1] for found in (status, code) if found)
    server, bucket = os.environ.get("AWS_ENDPOINT_URL") or "AWS", url.split("/")[2]
    if "169.254.169.254" in said:
        return TablesRefused(
            f"tablerootdir: there are no keys for {url}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    if "NoSuchBucket" in said:
        return TablesRefused(f"tablerootdir: {server} has no bucket {bucket}; create it, or correct tablerootdir")
    if status and status[1] in DENIED:
        return TablesRefused(
            f"tablerootdir: {server} refuses access to {url} ({reason}); check AWS_ACCESS_KEY_ID, "
            "AWS_SECRET_ACCESS_KEY and the rights of that key"
        )
    if "configured region" in said:
        return TablesRefused(f"tablerootdir: {bucket} is in another region; set AWS_REGION")
    return TablesUnreachable(
        f"The tables in {url} cannot be reached ({server} {f'answers {reason}' if reason else 'does not answer'}); "
        "nothing was changed there, try again later"
    )
