"""The internal tables in a bucket of an S3-compatible store (``tablerootdir``); the products stay in the folder."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from jwst_mast_assets import api
from jwst_mast_assets.cli.main import main
from jwst_mast_assets.cli.original import download_main
from jwst_mast_assets.defs.daemon_config import daemon_config
from jwst_mast_assets.embedded_archive import EmbeddedArchive
from jwst_mast_assets.mast.config import Config, load_config
from jwst_mast_assets.mast.errors import ConfigError, JwstMastError, OutputError, TablesRefused, TablesUnreachable
from jwst_mast_assets.mast.partition_cells import Cell
from jwst_mast_assets.records import table_bucket
from jwst_mast_assets.records.store import TableStore
from jwst_mast_assets.records.watched import WatchList
from jwst_mast_assets_tests.defs.running import Runner, messages
from jwst_mast_assets_tests.object_store import SECRET, ObjectStore

DAY, OTHER = Cell.from_key("2022-04-10|01138"), Cell.from_key("2022-04-11|01138")
ASSETS = ("obs_table", "product_table", "downloaded_files", "summary_table")
ONE_DAY = ["--propID", "1138", "--date_select", "2022-04-10", "--filetypes", "_rate.jpg", "--sca", "a1"]
ONE_DAY += ["--makewebpages", "--yes"]


@pytest.fixture(scope="module")
def server() -> Iterator[ObjectStore]:
    server = ObjectStore()
    yield server
    server.close()


@pytest.fixture
def store(server: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectStore]:
    """The server, as AWS's variables say, with nothing counted yet."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    yield server
    server.refuse = ""


@pytest.fixture
def prefix(store: ObjectStore, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An address for the tables, which the config file names."""
    prefix = store.new_prefix()
    (tmp_path / "my.cfg").write_text(f"tablerootdir: {prefix}\nsca: [a1]\nfiletypes: [_rate.jpg]\n")
    monkeypatch.setenv("JWST_QUERY_CFGFILE", str(tmp_path / "my.cfg"))
    return prefix


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JWSTDOWNLOAD_OUTDIR", str(tmp_path / "data"))
    return tmp_path / "data"


def download(archive: EmbeddedArchive, *more: str) -> list[str]:
    """A command that succeeds; returns the names of the files that MAST was asked for."""
    archive.clear_requests()
    assert download_main([*ONE_DAY, *more]) == 0
    return [request.uri.rpartition("/")[2] for request in archive.requests if request.endpoint == "download"]


def copy_to_bucket(store: ObjectStore, folder: Path, prefix: str) -> None:
    """``aws s3 sync FOLDER PREFIX``."""
    bucket, _, below = prefix.removeprefix("s3://").partition("/")
    for path in folder.rglob("*.parquet"):
        store.client.upload_file(str(path), bucket, f"{below}/{path.relative_to(folder).as_posix()}")


def tables_of(root: Path, prefix: str | None = None) -> list[pd.DataFrame]:
    store = TableStore(root, prefix)
    return [store.read(asset, [DAY]) for asset in ASSETS]


def test_a_command_of_one_partition_makes_few_requests_and_fetches_nothing_again(
    archive, store: ObjectStore, prefix: str, root: Path, monkeypatch
) -> None:
    # However slow this machine is.
    monkeypatch.setattr(table_bucket, "LISTED_FOR", 600)
    assert len(download(archive)) == 3
    assert store.keys(prefix) == sorted(
        [*(f"{asset}/01138/2022-04-10.parquet" for asset in ASSETS), "output_folder.json"]
    )
    assert not list((root / ".jwst_mast_assets").rglob("2022-04-10.parquet"))
    # The four tables and the mark are written, each once; the mark is looked at before and with the lock.
    first = store.counts()
    assert first == {"PUT": 5, "GET": 2, "LIST": 16}, store.requests
    assert len(list((root / "01138").rglob("*.jpg"))) > 0
    assert (root / "01138" / "index.html").exists()

    for _ in range(2):
        # The second run notes that the files were there already; from then on there is nothing new to say.
        store.requests.clear()
        assert download(archive) == []
    again = store.counts()
    # The mark, and each table once that anything is made of.
    assert again == {"GET": 1 + 3, "LIST": 14}, store.requests


def test_all_that_looks_at_the_records_works_as_with_a_folder(
    archive, store: ObjectStore, prefix: str, root: Path, capsys
) -> None:
    WatchList(TableStore(root)).add(["01138"])
    download(archive)
    capsys.readouterr()
    for command, said in {
        "status 1138 --details": "01138",
        "status --format json": '"proposal"',
        "manifest 1138": "3 files",
        "diff 1138 2022-01-01": "3 added",
        "calendar": "",
        "status --check": "01138",
    }.items():
        assert main(command.split()) == 0, command
        assert said in capsys.readouterr().out, command
    (removed, *_) = (root / "01138").rglob("*_rate.jpg")
    removed.unlink()
    main(["heal", "1138"])
    assert removed.name in capsys.readouterr().out
    assert main(["rebuild"]) == 0
    assert "materializations of" in capsys.readouterr().out
    held = api.holdings(1138)
    assert len(held) == 3
    assert removed.name in held["productFilename"][held["state"] == "missing"]
    assert len(download(archive)) == 1


REFUSALS = (
    (None, 1, "does not answer"),
    ("500 Internal Server Error", 1, "answers 500"),
    ("403 Forbidden", 2, "refuses access to s3://"),
)
"""How a server can fail, the exit status of a command then, and what it says."""


def test_a_store_that_does_not_give_its_tables_is_a_failure_and_nothing_is_fetched_again(
    archive,
    store: ObjectStore,
    prefix: str,
    root: Path,
    capsys,
    monkeypatch,
    instance: dg.DagsterInstance,
) -> None:
    monkeypatch.setattr(table_bucket, "RETRIES", 1)
    download(archive)
    # Locks, and the slots of queries to MAST, are taken all the same.
    files = [path for path in root.rglob("*") if path.is_file() and not {"locks", "limits"} & set(path.parts)]
    before = {path: path.stat().st_mtime_ns for path in files}
    archive.clear_requests()
    for refusal, status, sentence in REFUSALS:
        capsys.readouterr()
        store.requests.clear()
        store.refuse = refusal or ""
        monkeypatch.setenv("AWS_ENDPOINT_URL", store.url if refusal else "http://127.0.0.1:9")
        for command in (["status"], ["status", "1138"], ["heal"], ["rebuild"]):
            assert main(command) == status, command
            printed = capsys.readouterr()
            assert sentence in printed.err
            assert len(printed.err.strip().splitlines()) == 1
            assert "Nothing is recorded" not in printed.err + printed.out
            assert SECRET not in printed.err + printed.out
        assert download_main(ONE_DAY) == status
        assert sentence in capsys.readouterr().err
        # Of the sensors and schedules, and of the Python API.
        with pytest.raises(TablesUnreachable, match=sentence):
            daemon_config(instance)
        with pytest.raises(TablesUnreachable, match=sentence):
            api.holdings(1138)
        assert not [request for request in store.requests if request.startswith("PUT")]
    result = Runner(instance, root).run(keys=DAY.key)
    assert not result.success
    assert any(REFUSALS[-1][2] in message for message in messages(result))
    assert SECRET not in str(result.all_events)
    assert not [request for request in archive.requests if request.endpoint == "download"]
    assert not {path for path, time in before.items() if path.stat().st_mtime_ns != time}
    store.refuse = ""
    assert download(archive) == []


def test_a_folder_with_tables_is_refused_until_they_are_in_the_bucket(
    archive, store: ObjectStore, prefix: str, root: Path, tmp_path: Path, capsys, monkeypatch
) -> None:
    monkeypatch.setenv("JWST_QUERY_CFGFILE", "")
    assert len(download(archive)) == 3
    recorded = tables_of(root)
    monkeypatch.setenv("JWST_QUERY_CFGFILE", str(tmp_path / "my.cfg"))
    for command in (lambda: main(["status"]), lambda: download_main(ONE_DAY)):
        assert command() == 2
        said = capsys.readouterr().err
        folder = root / ".jwst_mast_assets" / "tables"
        assert (
            f"4 of the 4 tables in {folder} are not in {prefix} yet; copy them while nothing runs: aws s3 sync" in said
        )
    assert store.keys(prefix) == []
    copy_to_bucket(store, folder, prefix)
    for ours, theirs in zip(recorded, tables_of(root, prefix), strict=True):
        pd.testing.assert_frame_equal(ours, theirs)
    assert download(archive) == []
    assert not folder.exists() or not list(folder.glob("*/01138"))
    assert len(list((root / ".jwst_mast_assets").glob("tables_until_*/*/01138/2022-04-10.parquet"))) == 4

    # And not back to an empty folder either, nor to another bucket.
    monkeypatch.setenv("JWST_QUERY_CFGFILE", "")
    assert main(["status"]) == 2
    assert f"The tables of {root} are in {prefix}: set tablerootdir" in capsys.readouterr().err
    with pytest.raises(ConfigError, match=r"the tables of .* are in .*, not in s3://elsewhere"):
        TableStore(root, "s3://elsewhere").check()


def written_by(root: Path, prefix: str, cell: Cell = DAY) -> TableStore:
    """A store that has written a table."""
    store = TableStore(root, prefix)
    store.write("obs_table", store.read("obs_table", [cell]), [cell])
    return TableStore(root, prefix)


def test_two_output_folders_cannot_share_their_tables(store: ObjectStore, tmp_path: Path) -> None:
    prefix, first, second = store.new_prefix(), tmp_path / "first", tmp_path / "second"
    written_by(first, prefix)
    with pytest.raises(ConfigError, match=f"has the tables of another output folder, {first} on"):
        TableStore(second, prefix).read("obs_table", [DAY])
    with pytest.raises(ConfigError, match="choose another prefix"):
        written_by(second, prefix)
    shutil.copytree(first, second)
    with pytest.raises(ConfigError, match=f"{second} is a copy of it; choose another prefix"):
        TableStore(second, prefix).check()
    # Moved, it is the same folder.
    shutil.rmtree(second)
    first.rename(second)
    assert written_by(second, prefix, OTHER).cells("obs_table") == [DAY, OTHER]
    shutil.copytree(second, first)
    with pytest.raises(ConfigError, match=f"{first} is a copy of it"):
        TableStore(first, prefix).check()


def test_the_folders_of_two_outsubdirs_have_tables_of_their_own(store: ObjectStore, tmp_path: Path) -> None:
    prefix = store.new_prefix()
    config = Config(outrootdir=str(tmp_path), tablerootdir=prefix)
    for outsubdir in ("", "a/b"):
        one = config.merged({"outsubdir": outsubdir})
        written_by(one.root, str(one.tables_url))
    assert {"obs_table/01138/2022-04-10.parquet", "a/b/obs_table/01138/2022-04-10.parquet"} <= {*store.keys(prefix)}


def test_an_emptied_bucket_is_not_a_new_one(store: ObjectStore, tmp_path: Path) -> None:
    prefix = store.new_prefix()
    written_by(tmp_path, prefix)
    store.delete_all(prefix)
    with pytest.raises(OutputError, match=f"{prefix} has lost the tables of {tmp_path}: restore them"):
        TableStore(tmp_path, prefix).read("obs_table", [DAY])
    assert store.keys(prefix) == []


def test_a_claim_that_was_interrupted_is_taken_up_again(store: ObjectStore, tmp_path: Path, monkeypatch) -> None:
    prefix = store.new_prefix()
    monkeypatch.setenv("AWS_ENDPOINT_URL", store.url)
    put = table_bucket.write_text
    calls: list[Path] = []

    def dies_after_the_mark(path: Path, text: str) -> None:
        calls.append(path)
        if len(calls) == 2:
            raise KeyboardInterrupt
        put(path, text)

    monkeypatch.setattr(table_bucket, "write_text", dies_after_the_mark)
    with pytest.raises(KeyboardInterrupt):
        written_by(tmp_path, prefix)
    monkeypatch.setattr(table_bucket, "write_text", put)
    assert written_by(tmp_path, prefix).cells("obs_table") == [DAY]


def test_the_same_table_again_is_not_sent_and_another_process_s_is_noticed(
    store: ObjectStore, tmp_path: Path, monkeypatch
) -> None:
    prefix = store.new_prefix()
    ours, theirs = written_by(tmp_path, prefix), TableStore(tmp_path, prefix)
    store.requests.clear()
    table = ours.read("obs_table", [DAY])
    assert theirs.read("product_table", [DAY]).empty
    ours.write("obs_table", table, [DAY])
    theirs.write("obs_table", table, [DAY])
    assert store.counts()["PUT"] == 0
    filled = pd.concat([table, pd.DataFrame([{"cell": DAY.key, "obsid": 1}])]).astype(table.dtypes)
    theirs.write("obs_table", filled, [DAY, OTHER])
    theirs.write("product_table", theirs.read("product_table", [DAY]), [DAY])
    assert theirs.missing("product_table", [DAY, OTHER]) == [OTHER]
    with ours.locked("01138"):
        assert ours.read("obs_table", [DAY])["obsid"].tolist() == [1]
    monkeypatch.setattr(table_bucket, "LISTED_FOR", 0)
    assert ours.read("obs_table", [DAY])["obsid"].tolist() == [1]
    assert ours.missing("obs_table", [DAY, OTHER]) == []
    assert ours.missing("product_table", [DAY, OTHER]) == [OTHER]


def test_a_damaged_table_is_named(store: ObjectStore, tmp_path: Path) -> None:
    prefix = store.new_prefix()
    tables = written_by(tmp_path, prefix)
    bucket, _, below = prefix.removeprefix("s3://").partition("/")
    store.client.put_object(Bucket=bucket, Key=f"{below}/obs_table/01138/2022-04-10.parquet", Body=b"not a table")
    with pytest.raises(OutputError, match=f"{prefix}/obs_table/01138/2022-04-10.parquet cannot be read"):
        tables.read("obs_table", [DAY])


def test_a_bucket_that_does_not_exist_is_named(store: ObjectStore, tmp_path: Path) -> None:
    for use in (
        TableStore(tmp_path, "s3://no-such-bucket/x").check,
        lambda: written_by(tmp_path, "s3://no-such-bucket"),
    ):
        with pytest.raises(TablesRefused, match="has no bucket no-such-bucket; create it, or correct tablerootdir"):
            use()
    assert not (tmp_path / ".jwst_mast_assets" / "tables.json").exists()


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(ConfigError, match=r"need the package obstore: pip install 'jwst_mast_assets\[s3\]'"):
        TableStore(tmp_path, "s3://bucket").check()


@pytest.mark.parametrize(
    "value", ["bucket", "http://host/bucket", "s3://", "s3://B_x", "s3://bucket/../x", "s3://b?x=1"]
)
def test_an_address_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(ConfigError, match="tablerootdir: must be s3://BUCKET or s3://BUCKET/PREFIX"):
        Config.from_mapping({"tablerootdir": value})


def test_keys_in_the_address_are_refused_and_not_shown() -> None:
    with pytest.raises(ConfigError, match="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY") as error:
        Config.from_mapping({"tablerootdir": f"s3://key:{SECRET}@bucket/x"})
    assert SECRET not in str(error.value)


def test_a_command_beside_a_run_of_the_same_proposal(
    archive,
    store: ObjectStore,
    prefix: str,
    root: Path,
    instance: dg.DagsterInstance,
) -> None:
    program = "import sys; from jwst_mast_assets.cli.original import download_main; sys.exit(download_main())"
    command = subprocess.Popen([sys.executable, "-c", program, *ONE_DAY], stdout=subprocess.DEVNULL)
    try:
        result = Runner(instance, root).run(keys=OTHER.key, sca=["a1"], filetypes=["_rate.jpg"])
    finally:
        assert command.wait(timeout=120) == 0
    assert result.success
    tables = TableStore.of(load_config())
    for asset in ASSETS:
        assert tables.cells(asset) == [DAY, OTHER]
    assert tables.read_proposal("downloaded_files", "01138")["bytes_on_disk"].notna().sum() == 6
    event = instance.get_latest_materialization_event(dg.AssetKey("downloaded_files"))
    assert event is not None
    assert event.asset_materialization is not None
    assert event.asset_materialization.metadata["path"].value == f"{prefix}/downloaded_files"


def test_errors_of_the_tables_are_the_user_s_to_act_on() -> None:
    assert issubclass(TablesRefused, TablesUnreachable)
    assert issubclass(TablesUnreachable, JwstMastError)
    assert (TablesUnreachable("").exit_status, TablesRefused("").exit_status) == (1, 2)
