"""What is fetched and why; what is on disk; what was recorded."""

import os
from pathlib import Path

import pandas as pd
import pytest

from jwst_mast_assets.downloads import (
    CODES,
    FAILURES,
    Code,
    audit,
    download,
    failures,
    plan_download,
    state_on_disk,
    summary,
)
from jwst_mast_assets.embedded_archive import EmbeddedArchive, Fault
from jwst_mast_assets.mast import tables
from jwst_mast_assets.mast.archive import Archive
from jwst_mast_assets.mast.errors import ConfigError
from jwst_mast_assets.mast.keywords import instrument_of
from jwst_mast_assets_tests.downloads.holdings import (
    CAL,
    JPG,
    OTHER,
    PRIVATE,
    UNCAL,
    assert_fetched,
    cell,
    config_for,
    fetch,
    products_for,
)


def plan_for(embedded: EmbeddedArchive, config, *names: str, known: pd.DataFrame | None = None):
    return plan_download(products_for(embedded, config, names), config, Archive(embedded.url), known)


def reasons(plan) -> dict[str, str]:
    return {Path(row.outfilename).name: row.reason for row in plan.table.itertuples()}


def test_the_original_codes_are_kept() -> None:
    assert {code: CODES[code].dl_str for code in (0, 1, 2, 4, 7)} == {
        0: None,
        1: "downloaded",
        2: "exists",
        4: "ERRfilesize",
        7: "ERRORdownload",
    }
    assert set(CODES) == set(Code)
    assert Code.EXCLUSIVE not in FAILURES
    words = [text.dl_str for text in CODES.values()]
    assert len(set(words)) == len(words)


def test_a_missing_file_is_planned(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    plan = plan_for(embedded, config_for(tmp_path), CAL, PRIVATE)
    assert reasons(plan) == {CAL: "missing"}
    assert (plan.n_files, plan.n_bytes) == (1, len(embedded.content(CAL)))
    assert plan.items[f"mast:JWST/product/{CAL}"].keywords.checksum == embedded.md5(CAL)
    assert plan.items[f"mast:JWST/product/{PRIVATE}"].code == Code.EXCLUSIVE
    ((needed, free),) = plan.free.values()
    assert needed == plan.n_bytes < free
    assert not list(tmp_path.iterdir())


def test_the_plan_of_nothing_is_empty(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    config = config_for(tmp_path)
    nothing = tables.empty(tables.PRODUCT_TABLE)
    assert plan_download(nothing, config, Archive(embedded.url)).n_files == 0
    files = download(nothing, config, Archive(embedded.url), known=tables.empty(tables.FILE_TABLE))
    assert list(files.columns) == list(tables.FILE_TABLE)
    assert summary(files)["failed"] == 0
    assert len(state_on_disk(nothing, config)) == len(audit(files)) == 0


def test_the_files_have_the_declared_columns_and_types(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    files = fetch(embedded, config_for(tmp_path), CAL, PRIVATE, JPG)
    assert {name: str(files[name].dtype) for name in files} == {n: c.dtype for n, c in tables.FILE_TABLE.items()}
    row = files.loc[CAL]
    status = Path(str(row["outfilename"])).stat()
    assert [row["bytes_on_disk"], row["bytes_fetched"], row["mtime"]] == [
        status.st_size,
        status.st_size,
        status.st_mtime,
    ]
    assert (row["md5"], row["cal_ver"], row["crds_ctx"]) == (row["checksum"], "1.18.0", "jwst_1364.pmap")
    assert cell(files, JPG, "verified") == "content"


def test_a_file_of_another_size_is_replaced(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    first = fetch(embedded, config_for(tmp_path), CAL, JPG)
    for path in first["outfilename"]:
        Path(str(path)).write_bytes(b"too short")
    config = config_for(tmp_path)
    state = state_on_disk(products_for(embedded, config, [CAL, JPG]), config)
    assert state.values.tolist() == [[4, "ERRfilesize"]] * 2
    assert reasons(plan_for(embedded, config, CAL, JPG)) == {CAL: "checksum", JPG: "size"}
    assert_fetched(fetch(embedded, config, CAL, JPG, known=first), embedded, Code.REPLACED)


def test_skip_check_filesize_takes_a_file_as_it_is(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    first = fetch(embedded, config_for(tmp_path), CAL)
    Path(first["outfilename"].item()).write_bytes(b"too short")
    config = config_for(tmp_path, skip_check_filesize=True)
    assert state_on_disk(products_for(embedded, config, [CAL]), config)["dl_code"].tolist() == [Code.EXISTS]
    assert fetch(embedded, config, CAL)["dl_code"].tolist() == [Code.EXISTS]


def test_skip_check_if_outfile_exists_leaves_the_state_open(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    config = config_for(tmp_path, skip_check_if_outfile_exists=True)
    assert state_on_disk(products_for(embedded, config, [CAL]), config).isna().all(axis=None)
    assert_fetched(fetch(embedded, config, CAL), embedded)
    assert fetch(embedded, config, CAL)["dl_code"].tolist() == [Code.EXISTS]


@pytest.mark.parametrize("remembered", [True, False])
def test_a_file_reprocessed_at_the_same_size_is_replaced(
    remembered: bool, own_archive: EmbeddedArchive, tmp_path: Path
) -> None:
    first = fetch(own_archive, config_for(tmp_path), CAL, OTHER)
    own_archive.reprocess(CAL)
    config = config_for(tmp_path)
    assert reasons(plan_for(own_archive, config, CAL, OTHER)) == {CAL: "checksum"}
    files = fetch(own_archive, config, CAL, OTHER, known=first if remembered else None)
    assert files["dl_str"].tolist() == ["replaced", "exists"]
    assert cell(files, CAL, "md5") == own_archive.md5(CAL)


@pytest.mark.parametrize("verify", ["none", "size", "content"])
def test_a_remembered_checksum_tells_a_reprocessed_file_without_hashing(
    verify: str, own_archive: EmbeddedArchive, tmp_path: Path
) -> None:
    config = config_for(tmp_path, verify=verify)
    first = fetch(own_archive, config, CAL)
    own_archive.reprocess(CAL)
    assert reasons(plan_for(own_archive, config, CAL)) == {}
    assert reasons(plan_for(own_archive, config, CAL, known=first)) == {CAL: "checksum"}


def test_what_is_remembered_saves_hashing_while_the_file_is_unchanged(
    embedded: EmbeddedArchive, tmp_path: Path
) -> None:
    config = config_for(tmp_path)
    known = fetch(embedded, config, CAL)
    known["md5"] = "0" * 32  # not the file's: it shows whether it was taken
    assert reasons(plan_for(embedded, config, CAL, known=known)) == {CAL: "checksum"}
    known["mtime"] -= 1
    assert reasons(plan_for(embedded, config, CAL, known=known)) == {}


def test_a_picture_whose_bytes_have_changed_is_fetched_again_and_one_that_was_only_touched_is_not(
    embedded: EmbeddedArchive, tmp_path: Path
) -> None:
    config = config_for(tmp_path)
    first = fetch(embedded, config, JPG)
    path = Path(cell(first, JPG, "outfilename"))
    os.utime(path, (1e9, 1e9))
    touched = fetch(embedded, config, JPG, known=first)
    assert (cell(touched, JPG, "dl_code"), cell(touched, JPG, "md5")) == (Code.EXISTS, embedded.md5(JPG))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    # MAST has no checksum of it; the new md5 must not become the one on record, also where MAST fails at first.
    embedded.faults.add(Fault("status", endpoint="download", status=404))
    failed = fetch(embedded, config, JPG, known=touched)
    assert (cell(failed, JPG, "dl_code"), path.read_bytes()) == (Code.NOT_FOUND, content)
    embedded.faults.clear()
    assert_fetched(fetch(embedded, config, JPG, known=failed), embedded, Code.REPLACED)


def test_clobber_fetches_again(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    fetch(embedded, config_for(tmp_path), CAL)
    assert_fetched(fetch(embedded, config_for(tmp_path, clobber=True), CAL), embedded, Code.REPLACED)


def test_skipdownload_lists_and_writes_nothing(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    config = config_for(tmp_path / "root", skipdownload=True)
    files = fetch(embedded, config, CAL)
    assert files["dl_code"].tolist() == [Code.NOT_THERE]
    assert files["dl_str"].isna().all()
    assert not (tmp_path / "root").exists()


def test_files_on_disk_that_are_not_selected_are_listed(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    config = config_for(tmp_path)
    first = fetch(embedded, config, CAL, JPG)
    products = products_for(embedded, config, [CAL, JPG, OTHER]).assign(selected=[False, True, False])
    files = download(products, config, Archive(embedded.url), first)
    assert files["productFilename"].tolist() == [CAL, JPG]
    assert files["dl_code"].tolist() == [Code.EXISTS, Code.EXISTS]
    assert files["md5"].tolist() == first["md5"].tolist()


def test_a_narrower_run_keeps_what_is_recorded_of_other_files(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    config = config_for(tmp_path)
    wide = fetch(embedded, config, CAL, OTHER)
    products = products_for(embedded, config, [CAL, OTHER])
    products["selected"] = [False, True]
    files = download(products, config, Archive(embedded.url), wide).set_index("productFilename")
    columns = ["md5", "checksum", "cal_ver", "crds_ctx", "verified", "bytes_on_disk", "mtime"]
    assert wide.loc[CAL, columns].notna().all()
    assert files.loc[CAL, columns].tolist() == wide.loc[CAL, columns].tolist()


@pytest.mark.parametrize("column", ["dataURI", "outfilename"])
def test_a_row_without_address_or_name_is_reported(column: str, embedded: EmbeddedArchive, tmp_path: Path) -> None:
    config = config_for(tmp_path)
    products = products_for(embedded, config, [CAL, OTHER])
    products.loc[products["productFilename"] == CAL, column] = None
    files = download(products, config, Archive(embedded.url))
    codes = dict(zip(files["productFilename"], files["dl_code"], strict=True))
    assert codes == {CAL: Code.BAD_NAME, OTHER: Code.DOWNLOADED}
    assert files["dl_message"].notna().sum() == 1


@pytest.mark.parametrize("verify", ["checksum", "size"])
def test_previews_of_a_reprocessed_file_are_fetched_again(
    verify: str, own_archive: EmbeddedArchive, tmp_path: Path
) -> None:
    config = config_for(tmp_path, verify=verify)
    other = OTHER.replace(".fits", ".jpg")
    known = fetch(own_archive, config, CAL, JPG, OTHER, other)
    own_archive.reprocess(CAL, same_size=True)
    own_archive.reprocess(JPG, same_size=True)
    plan = plan_for(own_archive, config, CAL, JPG, OTHER, other, known=known)
    assert reasons(plan) == {CAL: "checksum", JPG: "companion"}
    files = fetch(own_archive, config, CAL, JPG, OTHER, other, known=known)
    assert_fetched(files.loc[[CAL, JPG]], own_archive, Code.REPLACED)


def test_max_download_gb_is_kept(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"2 files with 415 kB would be downloaded, but max_download_gb is 0\.0001;"):
        fetch(embedded, config_for(tmp_path, max_download_gb=0.0001), CAL, OTHER)


def test_without_keywords_the_plan_has_the_archive_warn_of_it(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    embedded.faults.add(Fault("error", message="out of order"))
    config, archive = config_for(tmp_path), Archive(embedded.url)
    plan = plan_download(products_for(embedded, config, [CAL]), config, archive)
    assert plan.n_files == 1
    (warning,) = archive.warnings
    assert "without checksums" in warning
    assert "out of order" in warning


def test_checksums_are_asked_in_few_queries(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    names = [name for name in embedded.catalogue.files if embedded.catalogue.files[name].header]
    plan = plan_for(embedded, config_for(tmp_path), *names)
    asked = [request.service for request in embedded.requests if request.endpoint == "invoke"]
    assert sorted(asked) == [f"Mast.Jwst.Filtered.{name}" for name in ("GuideStar", "Miri", "Nircam")]
    for item in plan.items.values():
        known = embedded.md5(item.name) if item.name.endswith(".fits") else None
        assert item.keywords.checksum == known


@pytest.mark.parametrize(
    ("name", "instrument"),
    [
        (UNCAL, "nircam"),
        ("jw01138001001_02101_00001-seg001_nis_uncal.fits", "niriss"),
        ("jw01138001001_02101_00001_nrs1_cal.fits", "nirspec"),
        ("jw01138001001_02101_00001_mirifulong_cal.fits", "miri"),
        ("jw01138001001_02101_00001_nrcalong_o001_crf.fits", "nircam"),
        ("jw01138001001_02101_00001_guider1_cal.fits", "fgs"),
        ("jw01138001001_gs-fg_2022181110610_cal.fits", "guidestar"),
        ("jw02727-o002_t062_nircam_clear-f277w_i2d.fits", "nircam"),
        ("jw05224-o001_s000001354_nirspec_f290lp-g395m_x1d.fits", "nirspec"),
        ("jw05224004001_01_msa.fits", "nirspec"),
        (JPG, None),
        ("jw01138_20250101t000000_pool.csv", None),
    ],
)
def test_the_instrument_is_read_from_the_name(name: str, instrument: str | None) -> None:
    assert instrument_of(name) == instrument


def test_a_summary_counts_files_once(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    config = config_for(tmp_path)
    embedded.faults.add(Fault("status", status=404, match="nrca2"))
    products = products_for(embedded, config, [CAL, CAL, OTHER, PRIVATE])
    counts = summary(download(products, config, Archive(embedded.url)), seconds=2)
    size = len(embedded.content(CAL))
    told = counts.pop("failures")
    assert counts == {
        "selected": 3,
        "fetched": 1,
        "present": 1,
        "failed": 1,
        "waiting": 1,
        "bytes_fetched": size,
        "bytes_on_disk": size,
        "rate": size / 2,
    }
    assert told["productFilename"].tolist() == [OTHER]


def test_of_many_failures_a_few_are_reported(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    table = tables.empty(tables.FILE_TABLE).reindex(range(40))
    table["dataURI"] = [f"mast:{n}" for n in range(40)]
    table["productFilename"] = [f"{n}.fits" for n in range(40)]
    table = tables.conform(table.assign(dl_code=7, selected=True, dl_str="ERRORdownload"), tables.FILE_TABLE)
    told = failures(table)
    assert len(told) == 25
    assert told["productFilename"].iloc[-1] == "... and 16 more"


def test_an_audit_finds_what_happened_to_files_since(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    names = [CAL, JPG, OTHER, UNCAL]
    files = fetch(embedded, config_for(tmp_path), *names)
    assert audit(files)["ok"].all()
    rotten, gone, short = (Path(cell(files, name, "outfilename")) for name in (CAL, JPG, OTHER))
    content = bytearray(rotten.read_bytes())
    content[-1] ^= 1
    rotten.write_bytes(content)
    gone.unlink()
    short.write_bytes(b"short")
    told = audit(files).set_index("outfilename")
    assert told["ok"].tolist() == [False, False, False, True]
    assert told["dl_str"].tolist() == ["ERRORverify", "ERRORnotexist", "ERRfilesize", "exists"]
    assert "its md5 is" in cell(told, str(rotten), "problem")
    assert audit(files, deep=False)["ok"].tolist() == [True, False, False, True]
    unhashed = audit(files.assign(md5=None, bytes_on_disk=len(content))).set_index("outfilename")
    assert cell(unhashed, str(rotten), "ok")  # one pixel more or less cannot be seen without the md5
