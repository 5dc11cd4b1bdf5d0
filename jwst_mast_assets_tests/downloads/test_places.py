"""Where files may go, what is in the way, and what becomes of it."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from jwst_mast_assets.downloads import Code, download, filesystem
from jwst_mast_assets.downloads.partial import partial_path
from jwst_mast_assets.embedded_archive import EmbeddedArchive, Fault
from jwst_mast_assets.mast import layout
from jwst_mast_assets.mast.archive import Archive
from jwst_mast_assets.mast.errors import OutputError
from jwst_mast_assets_tests.downloads.holdings import (
    CAL,
    JPG,
    OTHER,
    assert_fetched,
    cell,
    config_for,
    environment,
    fetch,
    leftovers,
    md5_of,
    products_for,
)


def target_of(embedded: EmbeddedArchive, folder: Path, name: str) -> Path:
    path = Path(str(products_for(embedded, config_for(folder), [name])["outfilename"].item()))
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def make_folder(target: Path, outside: Path) -> None:
    target.mkdir()


def make_dangling_link(target: Path, outside: Path) -> None:
    target.symlink_to(outside / "nowhere")


def make_link(target: Path, outside: Path) -> None:
    (outside / "file").write_text("not ours")
    target.symlink_to(outside / "file")


def make_pipe(target: Path, outside: Path) -> None:
    os.mkfifo(target)


@pytest.mark.parametrize("clobber", [False, True])
@pytest.mark.parametrize("obstacle", [make_folder, make_dangling_link, make_link, make_pipe])
@pytest.mark.parametrize("where", ["target", "partial"])
def test_what_is_in_the_way_is_neither_followed_nor_replaced(
    where: str, obstacle, clobber: bool, embedded: EmbeddedArchive, tmp_path: Path
) -> None:
    outside, root = tmp_path / "outside", tmp_path / "root"
    outside.mkdir()
    target = target_of(embedded, root, CAL)
    blocked = target if where == "target" else Path(partial_path(str(target)))
    obstacle(blocked, outside)
    before = os.lstat(blocked)
    files = fetch(embedded, config_for(root, clobber=clobber), CAL, OTHER)
    assert [cell(files, CAL, "dl_code"), cell(files, CAL, "dl_str")] == [Code.BLOCKED, "ERRORblocked"], files.loc[CAL]
    assert os.lstat(blocked).st_ino == before.st_ino
    assert [path.name for path in outside.iterdir()] == (["file"] if obstacle is make_link else [])
    assert all(path.read_text() == "not ours" for path in outside.iterdir())
    assert cell(files, OTHER, "dl_code") == Code.DOWNLOADED


def test_folders_may_be_links_to_elsewhere(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    elsewhere, root = tmp_path / "elsewhere", tmp_path / "root"
    elsewhere.mkdir()
    root.mkdir()
    (root / "01138").symlink_to(elsewhere)
    assert_fetched(fetch(embedded, config_for(root), CAL), embedded)
    assert md5_of(elsewhere / CAL) == embedded.md5(CAL)


def test_a_file_where_a_folder_must_be_is_named(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    (tmp_path / "01138").write_text("mine")
    files = fetch(embedded, config_for(tmp_path), CAL)
    assert files["dl_code"].tolist() == [Code.BLOCKED]
    assert "01138 is a file where a folder must be" in files["dl_message"].item()


def test_an_output_folder_through_a_file_stops_the_run(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match=r"file/root cannot be written \(Not a directory\)"):
        fetch(embedded, config_for(tmp_path / "file" / "root"), CAL)
    assert not [request for request in embedded.requests if request.endpoint == "download"]


def test_a_file_of_the_users_own_whose_name_is_not_utf8_disturbs_nothing(
    embedded: EmbeddedArchive, tmp_path: Path
) -> None:
    (tmp_path / "01138").mkdir()
    mine = os.fsencode(tmp_path / "01138") + b"/Aufnahme M\xfcnchen.txt"
    with open(mine, "w") as file:
        file.write("mine")
    assert_fetched(fetch(embedded, config_for(tmp_path), CAL), embedded)
    assert_fetched(fetch(embedded, config_for(tmp_path), CAL), embedded, Code.EXISTS)
    with open(mine) as file:
        assert file.read() == "mine"


HOSTILE = ["../../escaped.fits", "/tmp/absolute.fits", "nul\0inside.fits", "long" * 80 + ".fits", ".hidden", "-rf", ""]


def test_hostile_names_are_never_written(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    root = tmp_path / "deep" / "root"
    config = config_for(root)
    products = products_for(embedded, config, [CAL, *[OTHER] * len(HOSTILE)])
    products["dataURI"] = [products["dataURI"][0], *(f"mast:JWST/product/{n}" for n in range(len(HOSTILE)))]
    products["productFilename"] = [CAL, *HOSTILE]
    for paths in (layout.outfilenames(products, config), [f"{root}/01138/{name}" for name in (CAL, *HOSTILE)]):
        files = download(products.assign(outfilename=paths), config, Archive(embedded.url))
        assert files["dl_code"].tolist()[1:] == [Code.BAD_NAME] * len(HOSTILE)
        assert files["dl_str"].tolist()[1:] == ["ERRORname"] * len(HOSTILE)
    written = [path for path in tmp_path.rglob("*") if path.is_file() and ".jwst_mast_assets" not in path.parts]
    assert written == [root / "01138" / CAL]
    assert not Path("/tmp/absolute.fits").exists()


def test_two_files_of_one_name_do_not_overwrite_each_other(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    config = config_for(tmp_path)
    products = products_for(embedded, config, [CAL, OTHER])
    products["outfilename"] = products["outfilename"].iloc[0]
    files = download(products, config, Archive(embedded.url))
    assert files["dl_code"].tolist() == [Code.DOWNLOADED, Code.BAD_NAME]
    assert f"already used for another file, mast:JWST/product/{CAL}" in files["dl_message"].iloc[1]
    assert md5_of(files["outfilename"].iloc[0]) == embedded.md5(CAL)


def with_capitals(embedded: EmbeddedArchive, folder: Path):
    """Two products whose places differ in their letters' case only, downloaded."""
    config = config_for(folder)
    products = products_for(embedded, config, [CAL, OTHER])
    first = str(products["outfilename"].iloc[0])
    products["outfilename"] = [first, os.path.join(os.path.dirname(first), CAL.upper())]
    return download(products, config, Archive(embedded.url))


def test_names_that_differ_in_capitals_are_two_files_where_the_disk_says_so(
    embedded: EmbeddedArchive, tmp_path: Path
) -> None:
    files = with_capitals(embedded, tmp_path)
    assert files["dl_code"].tolist() == [Code.DOWNLOADED, Code.DOWNLOADED]


def test_names_that_differ_in_capitals_are_one_place_where_the_disk_ignores_case(
    embedded: EmbeddedArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No file system that ignores case can be mounted on common Linux machines: the answer to this question is made up.
    monkeypatch.setattr(filesystem, "ignores_case", lambda folder: True)
    files = with_capitals(embedded, tmp_path)
    assert files["dl_code"].tolist() == [Code.DOWNLOADED, Code.BAD_NAME]
    assert "is already used for another file" in files["dl_message"].iloc[1]


def test_this_file_system_is_asked_whether_it_ignores_case(tmp_path: Path) -> None:
    (tmp_path / "probe").touch()
    assert filesystem.ignores_case(str(tmp_path / "not" / "yet")) == (tmp_path / "PROBE").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["probe"]


def test_a_disk_that_fills_up_ends_new_files_but_no_good_ones(embedded: EmbeddedArchive, mounted, watch) -> None:
    folder = mounted("-t", "tmpfs", "-o", "size=300k", "tmpfs")
    config = config_for(folder, Nparallel=1)
    products = products_for(embedded, config, [JPG, CAL, OTHER, JPG.replace("nrca1", "nrca2")])
    products["size"] = 1000  # MAST's table is wrong, so that the plan does not see it coming
    with watch(folder, embedded):
        files = download(products, config, Archive(embedded.url))
    assert files["dl_code"].tolist() == [Code.DOWNLOADED, Code.DOWNLOADED, Code.DISK_FULL, Code.DISK_FULL]
    assert "No space left" in files["dl_message"].iloc[2]
    assert files["dl_message"].iloc[3] == "not tried, as the disk is full"
    assert leftovers(folder) == []


def test_too_little_room_is_reported_before_the_first_byte(embedded: EmbeddedArchive, mounted) -> None:
    folder = mounted("-t", "tmpfs", "-o", "size=200k", "tmpfs")
    with pytest.raises(OutputError, match=rf"415 kB would be downloaded to {folder}, but only 20\d kB are free"):
        fetch(embedded, config_for(folder), CAL, OTHER)
    assert not [request for request in embedded.requests if request.endpoint == "download"]


def test_a_read_only_folder_stops_the_run(embedded: EmbeddedArchive, mounted) -> None:
    folder = mounted("-t", "tmpfs", "-o", "ro", "tmpfs")
    with pytest.raises(OutputError, match=r"Read-only file system"):
        fetch(embedded, config_for(folder), CAL)


def test_a_read_only_folder_below_the_root_is_named(embedded: EmbeddedArchive, mounted, tmp_path: Path) -> None:
    (tmp_path / "01138").symlink_to(mounted("-t", "tmpfs", "-o", "ro", "tmpfs"))
    files = fetch(embedded, config_for(tmp_path), CAL)
    assert files["dl_code"].tolist() == [Code.BLOCKED]
    assert "Read-only file system" in files["dl_message"].item()


def test_a_file_larger_than_may_be_written_is_named_and_others_come(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    """RLIMIT_FSIZE of 50 kB in a process of its own."""
    config = config_for(tmp_path)
    products_for(embedded, config, [JPG, CAL]).to_pickle(tmp_path / "products.pickle")
    code = f"""
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
from pathlib import Path
import pandas as pd
from jwst_mast_assets.mast.archive import Archive
from jwst_mast_assets.downloads import download
from jwst_mast_assets_tests.downloads.holdings import config_for
folder = Path({str(tmp_path)!r})
files = download(pd.read_pickle(folder / "products.pickle"), config_for(folder), Archive({embedded.url!r}))
print(files["dl_str"].tolist(), files["dl_message"].tolist()[1])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment())
    assert done.stdout.strip() == "['downloaded', 'ERRORdisk'] it cannot be written (File too large)"
    assert leftovers(tmp_path) == []
    assert md5_of(tmp_path / "01138" / JPG) == embedded.md5(JPG)


def test_many_files_need_few_descriptors(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    names = [name for name in embedded.catalogue.files if name.startswith("jw01138")]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    in_use = max(int(name) for name in os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (in_use + 60, hard))
    try:
        for round_ in range(5):
            assert_fetched(fetch(embedded, config_for(tmp_path / str(round_), Nparallel=8), *names), embedded)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("fault", [None, Fault("status", status=404), Fault("corrupt", after_bytes=60_000)])
def test_an_older_file_stays_until_the_new_one_is_verified(
    fault: Fault | None, own_archive: EmbeddedArchive, tmp_path: Path, watch
) -> None:
    config = config_for(tmp_path)
    first = fetch(own_archive, config, CAL)
    old = own_archive.md5(CAL)
    own_archive.reprocess(CAL)
    if fault:
        own_archive.faults.add(fault)
    with watch(tmp_path, own_archive, old):
        files = fetch(own_archive, config, CAL, known=first)
    row = files.iloc[0]
    if fault is None:
        assert_fetched(files, own_archive, Code.REPLACED)
        assert (row["dl_str"], row["cal_ver"]) == ("replaced", "1.19.2")
    else:
        assert row["dl_str"] in ("ERRORnotfound", "ERRORverify")
        assert row["dl_message"].endswith("; the older version is kept")
        assert md5_of(row["outfilename"]) == old == row["md5"]
        assert leftovers(tmp_path) == []
