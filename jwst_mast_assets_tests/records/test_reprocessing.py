"""What MAST processed again, found by checksum and version; on 300 recorded events and on downloaded files."""

import hashlib
from pathlib import Path

import pandas as pd
import pytest
from astropy.io import fits

from jwst_mast_assets.downloads import Code, download
from jwst_mast_assets.embedded_archive import Catalogue, EmbeddedArchive, Fault
from jwst_mast_assets.embedded_archive.files import ProductFile
from jwst_mast_assets.mast import tables
from jwst_mast_assets.mast.archive import Archive
from jwst_mast_assets.mast.current_keywords import current_keywords, plan_queries
from jwst_mast_assets.mast.keywords import FILES_PER_QUERY
from jwst_mast_assets.records import reprocessing
from jwst_mast_assets.records.store import TableStore
from jwst_mast_assets_tests.downloads.holdings import (
    CAL,
    JPG,
    OTHER,
    UNCAL,
    config_for,
    fetch,
    md5_of,
    products_for,
    small_catalogue,
)

EVENTS = pd.read_csv(Path(__file__).parents[1] / "data" / "reprocessing_events_300.csv")
INSTRUMENTS = {"nrc": "NIRCAM", "mir": "MIRI", "nis": "NIRISS"}


class RecordedFile(ProductFile):
    """A file of which only what MAST recorded is known, not its bytes."""

    recorded_md5 = ""

    @property
    def md5(self):
        return self.recorded_md5

    @property
    def has_checksum(self):
        return True


def recorded_file(row, name, age):
    file = RecordedFile(
        name,
        row[f"fileSize_{age}"],
        {"INSTRUME": INSTRUMENTS[name.split("_")[3][:3]], "PROGRAM": name[2:7], "OBSERVTN": name[7:10]},
        cal_ver=row[f"cal_ver_{age}"],
        crds_ctx=row[f"crds_ctx_{age}"],
        ingested=int(row[f"ingestCompletionDate_{age}"][6:-2]) / 1000,
    )
    file.recorded_md5 = row[f"checksum_{age}"]
    return file


def unchanged_name(name):
    """The next exposure of the same detector, which is in none of the events."""
    parts = name.split("_")
    return "_".join([*parts[:2], f"{int(parts[2]) + 50000:05d}", *parts[3:]])


@pytest.fixture(scope="module")
def recorded_archive():
    """The keyword rows after 300 recorded events, and as many that did not change, over HTTP."""
    catalogue = Catalogue()
    for row in EVENTS.to_dict("records"):
        catalogue.files[row["filename"]] = recorded_file(row, row["filename"], "new")
        other = unchanged_name(row["filename"])
        catalogue.files[other] = unchanged = recorded_file(row, other, "old")
        unchanged.recorded_md5 = hashlib.md5(other.encode(), usedforsecurity=False).hexdigest()
    with EmbeddedArchive(catalogue) as archive:
        yield archive


def recorded_before():
    """What was on disk before the events."""
    rows = []
    for row in EVENTS.to_dict("records"):
        other = unchanged_name(row["filename"])
        md5 = hashlib.md5(other.encode(), usedforsecurity=False).hexdigest()
        rows += [(row["filename"], row["checksum_old"], row), (other, md5, row)]
    table = pd.DataFrame(
        {
            "productFilename": name,
            "dataURI": f"mast:JWST/product/{name}",
            "proposal_id": int(name[2:7]),
            "cell": f"2024-01-01|{name[2:7]}",
            "md5": md5,
            "checksum": md5,
            "cal_ver": row["cal_ver_old"],
            "crds_ctx": row["crds_ctx_old"],
            "bytes_on_disk": row["fileSize_old"],
            "size": row["fileSize_old"],
            "dl_code": 2,
            "mtime": 1.0,
        }
        for name, md5, row in rows
    )
    return tables.conform(table, tables.FILE_TABLE)


def find_changes(archive, files):
    """The files of which the archive has another version, asked for as the daily look does."""
    names = reprocessing.on_disk_once(files)["productFilename"]
    return reprocessing.changes_by_keywords(files, current_keywords(archive, names))


def queries(archive):
    return [request for request in archive.requests if request.endpoint == "invoke"]


def test_every_recorded_reprocessing_is_noticed_and_nothing_else(recorded_archive):
    before = recorded_before()
    recorded_archive.clear_requests()
    changes = find_changes(Archive(recorded_archive.url), before)
    assert len(before) == 600
    assert set(changes["productFilename"]) == set(EVENTS["filename"])
    assert set(changes["kind"]) == {"content"}
    by_name = EVENTS.set_index("filename").loc[list(changes["productFilename"])].reset_index()
    for ours, theirs in (("md5", "checksum"), ("cal_ver", "cal_ver"), ("crds_ctx", "crds_ctx")):
        for age in ("old", "new"):
            assert changes[f"{age}_{ours}"].tolist() == by_name[f"{theirs}_{age}"].tolist()
    assert len(queries(recorded_archive)) == 3


def test_the_size_alone_would_have_missed_190_of_the_300():
    assert (EVENTS["fileSize_old"] == EVENTS["fileSize_new"]).sum() == 190


def test_a_sentence_says_the_most_common_versions(recorded_archive):
    changes = find_changes(Archive(recorded_archive.url), recorded_before())
    assert reprocessing.describe_changes(changes) == (
        "300 files reprocessed: cal_ver 1.18.0 -> 1.19.2 and 3 more, "
        "crds_ctx jwst_1364.pmap -> jwst_1413.pmap and 2 more"
    )
    assert reprocessing.describe_changes(changes.iloc[:0]) == "nothing reprocessed"


def test_associations_of_the_events_are_matched_without_their_time_stamp():
    for kind in ("asntable", "asnpool"):
        old, new = EVENTS[f"{kind}_old"], EVENTS[f"{kind}_new"]
        assert (reprocessing.stands_for(old) == reprocessing.stands_for(new)).all()
        assert (reprocessing.time_stamp(old) < reprocessing.time_stamp(new)).all()


def many_files(programs, exposures):
    names = [
        f"jw{program:05d}001001_02101_{exposure:05d}_{detector}_{kind}.fits"
        for program in range(1, programs + 1)
        for exposure in range(exposures)
        for detector in ("nrca1", "mirimage")
        for kind in ("uncal", "rate")
    ]
    return pd.Series(names, dtype="string")


def number_of_queries(files):
    by_program, names = plan_queries(files)
    asked = [name for query in by_program for name in query.names] + names
    assert sorted(asked) == sorted(files)
    return len(by_program) + -(-len(names) // FILES_PER_QUERY)


@pytest.mark.parametrize(
    ("programs", "exposures", "most"),
    # 1,000 programs, 400,000 files: 2 instruments x 2 types x 1,000 / 100 programs.
    [(1000, 100, 40), (1, 1000, 4), (3, 2, 2), (1000, 1, 8), (1, 30_000, 8)],
)
def test_many_files_need_few_queries(programs, exposures, most):
    assert number_of_queries(many_files(programs, exposures)) <= most


@pytest.fixture
def embedded():
    with EmbeddedArchive(small_catalogue()) as archive:
        yield archive


def in_cells(files, *cells):
    return pd.concat([files.reset_index(drop=True).assign(cell=cell) for cell in cells], ignore_index=True)


CELL, OTHER_CELL = "2024-05-06|01138", "2024-05-07|01138"


def test_files_just_downloaded_have_no_changes(embedded, tmp_path):
    files = in_cells(fetch(embedded, config_for(tmp_path), UNCAL, CAL, JPG), CELL)
    assert find_changes(Archive(embedded.url), files).empty


def test_a_reprocessed_file_is_one_row_with_all_its_cells(embedded, tmp_path):
    files = in_cells(fetch(embedded, config_for(tmp_path), UNCAL, CAL), CELL, OTHER_CELL)
    embedded.reprocess(CAL)
    changes = find_changes(Archive(embedded.url), files)
    (row,) = changes.to_dict("records")
    assert (row["productFilename"], row["kind"]) == (CAL, "content")
    assert row["cells"] == f"{CELL}, {OTHER_CELL}"
    assert row["old_md5"] == md5_of(row["outfilename"])
    assert row["new_md5"] == embedded.md5(CAL)
    assert (row["old_cal_ver"], row["new_cal_ver"]) == ("1.18.0", "1.19.2")
    assert set(reprocessing.changes_by_cell(changes)) == {CELL, OTHER_CELL}
    assert reprocessing.describe_changes(changes) == (
        "1 file reprocessed: cal_ver 1.18.0 -> 1.19.2, crds_ctx jwst_1364.pmap -> jwst_1413.pmap"
    )


def test_a_file_that_another_cell_has_fetched_since_is_no_change(embedded, tmp_path):
    config = config_for(tmp_path)
    old = fetch(embedded, config, CAL)
    embedded.reprocess(CAL)
    new = fetch(embedded, config, CAL, known=old)
    files = pd.concat([in_cells(old.assign(mtime=old["mtime"] - 60), OTHER_CELL), in_cells(new, CELL)])
    assert find_changes(Archive(embedded.url), files).empty


def test_only_other_versions_are_no_other_content(embedded, tmp_path):
    files = in_cells(fetch(embedded, config_for(tmp_path), CAL), CELL).assign(cal_ver="1.17.0")
    changes = find_changes(Archive(embedded.url), files)
    assert changes["kind"].tolist() == ["versions"]
    assert reprocessing.changes_by_cell(changes) == {}


def test_where_no_md5_was_computed_the_checksum_of_then_is_compared(embedded, tmp_path):
    files = in_cells(fetch(embedded, config_for(tmp_path), CAL), CELL).assign(md5=pd.NA)
    embedded.reprocess(CAL)
    assert find_changes(Archive(embedded.url), files)["kind"].tolist() == ["content"]


def test_without_any_checksum_nothing_can_be_judged(embedded, tmp_path):
    files = in_cells(fetch(embedded, config_for(tmp_path), CAL), CELL)
    files = files.assign(md5=pd.NA, checksum=pd.NA, cal_ver=pd.NA, crds_ctx=pd.NA)
    embedded.reprocess(CAL)
    assert find_changes(Archive(embedded.url), files).empty


def test_files_that_are_not_on_disk_are_not_compared(embedded, tmp_path):
    files = in_cells(fetch(embedded, config_for(tmp_path), CAL), CELL)
    embedded.reprocess(CAL)
    assert find_changes(Archive(embedded.url), files.assign(bytes_on_disk=pd.NA)).empty


def test_programs_that_cannot_be_asked_for_as_a_whole_are_asked_for_by_name(embedded, tmp_path, monkeypatch):
    monkeypatch.setattr("jwst_mast_assets.mast.current_keywords.FILES_PER_QUERY", 1)
    files = in_cells(fetch(embedded, config_for(tmp_path), CAL, OTHER), CELL)
    embedded.reprocess([CAL, OTHER])
    embedded.clear_requests()
    archive = Archive(embedded.url, retries=0)
    assert len(find_changes(archive, files)) == 2
    assert [request.service for request in queries(embedded)] == ["Mast.Jwst.Filtered.Nircam"]
    embedded.faults.add(Fault("error", endpoint="invoke", times=1))
    assert len(find_changes(archive, files)) == 2


def listed(*names):
    table = pd.DataFrame({"productFilename": names, "dataURI": [f"mast:JWST/product/{name}" for name in names]})
    return tables.conform(table, tables.PRODUCT_TABLE)


def on_disk(*names):
    return tables.conform(listed(*names), tables.FILE_TABLE).assign(bytes_on_disk=1, mtime=1.0, cell=CELL)


ASN = "jw05224-o004_{}_image2_00005_asn.json"
POOL = "jw80600_{}_pool.csv"
OLD, NEW, NEWEST = "20250604t133237", "20251009t092524", "20251221t142913"


def test_older_associations_and_pools_are_superseded_by_the_newest():
    mast = listed(ASN.format(OLD), ASN.format(NEWEST), ASN.format(NEW), POOL.format(NEW.upper()), "other.fits")
    disk = on_disk(ASN.format(OLD), ASN.format(NEWEST), POOL.format(OLD.upper()), "other.fits")
    events = reprocessing.superseded(mast, disk).set_index("productFilename")
    assert events["kind"].to_dict() == {ASN.format(OLD): "superseded", POOL.format(OLD.upper()): "superseded"}
    assert events["successor"].tolist() == [ASN.format(NEWEST), POOL.format(NEW.upper())]


def test_a_file_that_is_no_longer_listed_is_gone_and_stays():
    other_number = ASN.replace("00005", "00006")
    disk = on_disk("vanished_cal.fits", other_number.format(OLD), "there_cal.fits")
    events = reprocessing.superseded(listed("there_cal.fits", ASN.format(NEW)), disk)
    assert events["kind"].tolist() == ["gone", "gone"]
    assert reprocessing.describe_changes(events) == "2 files gone from MAST"


def test_what_a_run_replaced_is_reported_with_both_versions(embedded, tmp_path):
    config = config_for(tmp_path)
    known = in_cells(fetch(embedded, config, UNCAL, CAL), CELL)
    embedded.reprocess(CAL)
    files = in_cells(fetch(embedded, config, UNCAL, CAL, known=known), CELL)
    assert files.set_index("productFilename")["dl_code"].to_dict() == {UNCAL: Code.EXISTS, CAL: Code.REPLACED}
    changes = reprocessing.changes_of_run(files, known)
    assert changes["productFilename"].tolist() == [CAL]
    assert "cal_ver 1.18.0 -> 1.19.2" in reprocessing.describe_changes(changes)
    assert reprocessing.changes_of_run(known, known.iloc[:0]).empty


def path_of(files, name):
    return Path(str(files.loc[name, "outfilename"]))


def test_the_older_version_is_kept_aside_where_wanted(embedded, tmp_path, monkeypatch):
    config = config_for(tmp_path, keep_superseded=True)
    known = fetch(embedded, config, CAL, JPG)
    first = {name: md5_of(path_of(known, name)) for name in (CAL, JPG)}
    folder = path_of(known, CAL).parent
    assert not (folder / "superseded").exists()
    embedded.reprocess([CAL, JPG], same_size=False)
    known = fetch(embedded, config, CAL, JPG, known=known)
    kept = {path.name: path for path in (folder / "superseded").iterdir()}
    name = CAL.replace(".fits", ".1.18.0.fits")
    assert md5_of(kept.pop(name)) == first[CAL]
    assert fits.getheader(folder / "superseded" / name)["CAL_VER"] == "1.18.0"
    (jpg,) = kept
    assert jpg.startswith(JPG.removesuffix("jpg") + "20")
    assert md5_of(kept[jpg]) == first[JPG]
    assert md5_of(folder / CAL) == embedded.md5(CAL)


def test_two_versions_of_one_name_are_both_kept_also_without_hard_links(embedded, tmp_path, monkeypatch):
    def no_link(*_):
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", no_link)
    config = config_for(tmp_path, keep_superseded=True)
    files = fetch(embedded, config, CAL)
    versions = [md5_of(path_of(files, CAL))]
    for _ in range(2):
        embedded.reprocess(CAL, cal_ver="1.18.0")
        files = fetch(embedded, config, CAL, known=files)
        versions.append(md5_of(path_of(files, CAL)))
    folder = path_of(files, CAL).parent
    stem = CAL.removesuffix(".fits")
    assert [path.name for path in sorted((folder / "superseded").iterdir())] == [
        f"{stem}.1.18.0-2.fits",
        f"{stem}.1.18.0.fits",
    ]
    assert {md5_of(path) for path in folder.rglob("*.fits")} == set(versions)


def test_where_the_older_version_cannot_be_kept_it_is_not_replaced(embedded, tmp_path):
    config = config_for(tmp_path, keep_superseded=True)
    known = fetch(embedded, config, CAL)
    path = path_of(known, CAL)
    before = md5_of(path)
    (path.parent / "superseded").write_text("in the way")
    embedded.reprocess(CAL)
    files = download(products_for(embedded, config, [CAL]), config, Archive(embedded.url), known)
    assert files["dl_code"].tolist() == [Code.BLOCKED]
    assert "superseded must be a folder" in files["dl_message"].iloc[0]
    assert md5_of(path) == before


def test_the_table_is_read_back_as_it_was_written(recorded_archive, tmp_path):
    changes = find_changes(Archive(recorded_archive.url), recorded_before())
    store = TableStore(tmp_path)
    assert reprocessing.read_changes(store).empty
    reprocessing.write_changes(store, changes)
    pd.testing.assert_frame_equal(reprocessing.read_changes(store), changes)
    assert reprocessing.fingerprint(reprocessing.read_changes(store)) == reprocessing.fingerprint(changes)
