"""What is recorded of fetched files, and what it says of a time."""

import datetime as dt
import threading

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jwst_mast_assets.downloads import Code
from jwst_mast_assets.mast import tables
from jwst_mast_assets.mast.dates import moment
from jwst_mast_assets.mast.errors import OutputError
from jwst_mast_assets.records import history
from jwst_mast_assets.records.store import TableStore
from jwst_mast_assets_tests.records.file_rows import file_row, file_table, md5_of

NONE = file_table()
START = dt.datetime(2026, 1, 15, 12, tzinfo=dt.timezone.utc)
RUN = "0123456789abcdef"


def at(hours):
    return START + dt.timedelta(hours=hours)


class Folder:
    """An output folder whose runs end at an hour with some files."""

    def __init__(self, root):
        self.store = TableStore(root)
        self.known = NONE

    def run(self, hour, *rows, run_id=RUN):
        files = file_table(*(file_row(self.store.root, *row[:-1], **row[-1]) for row in rows))
        number = history.record_fetches(self.store, files, self.known, run_id, at(hour))
        self.known = files
        return number

    @property
    def events(self):
        return history.read_history(self.store, "01138")

    def manifest(self, hour=None):
        return history.manifest_at(self.events, None if hour is None else at(hour))


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path / "data")


def a(code, version="1", name="a.fits", **values):
    return name, code, version, values


def test_a_fetched_file_is_recorded_with_its_version_and_the_run(folder):
    assert folder.run(0, a(Code.DOWNLOADED)) == 1
    (event,) = folder.events.to_dict("records")
    assert event["event"] == event["dl_str"] == "downloaded"
    assert event["when"] == "2026-01-15T12:00:00.000000"
    assert event["path"] == "01138/obsnum04/a.fits"
    assert (event["md5"], event["cal_ver"], event["crds_ctx"]) == (md5_of("a.fits 1"), "1.0", "jwst_1.pmap")
    assert (event["size"], event["obsnum"], event["cell"]) == (100, 4, "2022-04-10|01138")
    assert event["run_id"] == RUN
    assert pd.isna(event["old_md5"])


def test_the_history_has_its_columns_and_types_on_disk(folder):
    folder.run(0, a(Code.DOWNLOADED))
    (path,) = (folder.store.root / ".jwst_mast_assets/history/01138").iterdir()
    assert path.name == "20260115T120000000000-01234567.parquet"
    stored = pd.read_parquet(path)
    assert list(stored.columns) == list(tables.HISTORY_TABLE)
    for table, schema in ((folder.events, tables.HISTORY_TABLE), (folder.manifest(), tables.MANIFEST_TABLE)):
        assert {name: table[name].dtype for name in table} == tables.empty(schema).dtypes.to_dict()


def test_a_run_that_fetches_nothing_writes_nothing(folder):
    folder.run(0, a(Code.DOWNLOADED))
    assert folder.run(1, a(Code.EXISTS)) == 0
    assert folder.run(2, a(Code.EXCLUSIVE, name="b.fits")) == 0
    assert len(list((folder.store.root / ".jwst_mast_assets/history/01138").iterdir())) == 1


def test_a_replaced_file_says_what_it_replaced(folder):
    folder.run(0, a(Code.DOWNLOADED))
    # A query in between: MAST's version is known to be newer than the file.
    folder.run(1, a(Code.EXISTS, cal_ver="2.0", checksum=md5_of("a.fits 2")))
    folder.run(2, a(Code.REPLACED, "2"))
    event = folder.events.iloc[-1]
    assert event["event"] == "replaced"
    assert (event["old_md5"], event["md5"]) == (md5_of("a.fits 1"), md5_of("a.fits 2"))
    assert (event["old_cal_ver"], event["cal_ver"]) == ("1.0", "2.0")
    assert (event["old_crds_ctx"], event["crds_ctx"]) == ("jwst_1.pmap", "jwst_2.pmap")


def test_what_was_replaced_before_there_was_a_history_comes_from_the_tables(folder):
    folder.known = file_table(file_row(folder.store.root, "a.fits", Code.EXISTS, "1", cal_ver="1.0"))
    folder.run(0, a(Code.REPLACED, "2"))
    assert folder.events["old_md5"].tolist() == [md5_of("a.fits 1")]
    assert folder.events["old_cal_ver"].tolist() == ["1.0"]


def test_a_version_is_not_claimed_of_bytes_that_mast_does_not_have(folder):
    folder.known = file_table(file_row(folder.store.root, "a.fits", Code.EXISTS, "1", checksum="other"))
    folder.run(0, a(Code.REPLACED, "2"), a(Code.EXISTS, "1", "b.fits", checksum="other"))
    assert folder.events["old_cal_ver"].isna().all()
    assert folder.manifest().set_index("productFilename")["cal_ver"].isna().to_dict() == {
        "a.fits": False,
        "b.fits": True,
    }


def test_files_of_another_tool_are_adopted_once(folder):
    assert folder.run(0, a(Code.EXISTS)) == 1
    assert folder.run(1, a(Code.EXISTS)) == 0
    assert folder.events[["event", "dl_str"]].to_numpy().tolist() == [["adopted", "exists"]]
    assert folder.manifest()["md5"].tolist() == [md5_of("a.fits 1")]


def test_other_bytes_found_on_disk_are_adopted_with_what_they_replaced(folder):
    folder.run(0, a(Code.DOWNLOADED))
    assert folder.run(1, a(Code.EXISTS, "2")) == 1
    assert folder.events["event"].tolist() == ["downloaded", "adopted"]
    assert folder.events["old_md5"].iloc[-1] == md5_of("a.fits 1")


def test_a_file_that_vanished_leaves_the_manifest_until_it_is_back(folder):
    folder.run(0, a(Code.DOWNLOADED))
    assert folder.run(1, a(Code.NOT_THERE, selected=False)) == 1
    assert folder.run(2, a(Code.NOT_THERE, selected=False)) == 0
    assert folder.run(3, a(Code.EXISTS)) == 1
    assert folder.events["event"].tolist() == ["downloaded", "vanished", "adopted"]
    assert [len(folder.manifest(hour)) for hour in (-1, 0, 1, 2, 3)] == [0, 1, 0, 0, 1]
    assert folder.events["old_md5"].iloc[1] == md5_of("a.fits 1")


def test_a_file_looked_for_in_another_place_has_not_vanished(folder):
    folder.run(0, a(Code.DOWNLOADED))
    assert folder.run(1, a(Code.NOT_THERE, outfilename=f"{folder.store.root}/a.fits")) == 0


def test_a_file_found_in_another_place_is_listed_there(folder):
    folder.run(0, a(Code.DOWNLOADED))
    folder.run(1, a(Code.EXISTS, outfilename=f"{folder.store.root}/01138/a.fits"))
    assert folder.manifest()["path"].tolist() == ["01138/a.fits"]
    assert history.diff(folder.events, at(0), at(1)).empty


def test_a_file_of_two_days_is_recorded_once(folder):
    assert folder.run(0, a(Code.DOWNLOADED), a(Code.DOWNLOADED, cell="2022-04-11|01138")) == 1


def test_proposals_are_recorded_apart(folder):
    folder.run(0, a(Code.DOWNLOADED), a(Code.DOWNLOADED, name="b.fits", proposal_id=2731, cell="2022-06-03|02731"))
    assert history.proposals_with_history(folder.store) == ["01138", "02731"]
    assert folder.manifest()["productFilename"].tolist() == ["a.fits"]


def test_superseded_and_gone_files_stay_in_the_manifest_as_such(folder):
    folder.run(0, a(Code.DOWNLOADED), a(Code.DOWNLOADED, name="b.fits"), a(Code.DOWNLOADED, name="c.fits"))
    told = pd.DataFrame(
        {
            "event": ["superseded", "gone", "gone"],
            "dataURI": [f"mast:JWST/product/{name}" for name in ("a.fits", "b.fits", "never-here.fits")],
            "when": moment(at(1)),
        }
    )
    assert history.record_events(folder.store, "01138", told) == 3
    manifest = folder.manifest()
    assert manifest["status"].tolist() == ["superseded", "gone", "present"]
    assert manifest["md5"].notna().all()
    changes = history.diff(folder.events, at(0), at(1))
    assert changes[["change", "productFilename"]].to_numpy().tolist() == [["gone", "b.fits"], ["superseded", "a.fits"]]
    folder.run(2, a(Code.REPLACED, "2"))
    assert folder.manifest()["status"].tolist() == ["present", "gone", "present"]


@pytest.mark.parametrize(
    "events", [{"event": ["lost"], "dataURI": ["mast:x"]}, {"event": ["gone"]}, {"dataURI": ["mast:x"]}]
)
def test_events_that_say_nothing_are_refused(folder, events):
    with pytest.raises(ValueError, match="needs a dataURI and is one of downloaded, replaced"):
        history.record_events(folder.store, "01138", pd.DataFrame(events))


def test_events_of_one_run_at_one_time_do_not_overwrite_each_other(folder):
    event = {"event": ["gone"], "dataURI": ["mast:x"], "when": [moment(START)], "run_id": [RUN]}
    for _ in range(3):
        history.record_events(folder.store, "01138", pd.DataFrame(event))
    assert len(folder.events) == 3


def test_runs_at_the_same_time_all_get_recorded(folder):
    def run(number):
        files = file_table(file_row(folder.store.root, f"{number}.fits", Code.DOWNLOADED))
        history.record_fetches(folder.store, files, NONE, f"{number:08d}", START)

    threads = [threading.Thread(target=run, args=[number]) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(folder.manifest()["productFilename"]) == sorted(f"{number}.fits" for number in range(12))


def test_what_a_crash_left_half_written_is_not_read(folder):
    folder.run(0, a(Code.DOWNLOADED))
    where = folder.store.root / ".jwst_mast_assets/history/01138"
    (where / ".20260115T130000000000-01234567.parquet.x1.tmp").write_bytes(b"PAR1 half")
    assert len(folder.events) == 1


def test_a_damaged_history_is_named(folder):
    folder.run(0, a(Code.DOWNLOADED))
    (path,) = (folder.store.root / ".jwst_mast_assets/history/01138").iterdir()
    path.write_bytes(b"no table")
    with pytest.raises(OutputError, match=r"20260115.* cannot be read \(damaged\); restore it"):
        folder.manifest()


def test_a_history_that_cannot_be_written_is_one_sentence(folder):
    folder.store.root.mkdir()
    (folder.store.root / ".jwst_mast_assets").write_text("in the way")
    with pytest.raises(OutputError, match=r"history.* cannot be written"):
        folder.run(0, a(Code.DOWNLOADED))


def test_no_path_of_the_machine_is_recorded(folder):
    folder.run(0, a(Code.EXISTS, outfilename="/elsewhere/a.fits"), a(Code.DOWNLOADED, name="b.fits"))
    assert folder.events["path"].tolist() == ["a.fits", "01138/obsnum04/b.fits"]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2026-01-15", "2026-01-15T23:59:59.999999"),
        ("2026-01-15T12:00:00", "2026-01-15T12:00:00.000000"),
        (" 2026-01-15T12:00:00Z", "2026-01-15T12:00:00.000000"),
        ("2026-01-15T12:00:00.123456+01:00", "2026-01-15T11:00:00.123456"),
        ("61055.5", "2026-01-15T12:00:00.000000"),
        (START, "2026-01-15T12:00:00.000000"),
    ],
)
def test_a_time_is_a_day_a_time_or_mjd(text, meant):
    assert moment(text) == meant


@pytest.mark.parametrize("text", ["", "yesterday", "2026", "2026-02-30", "20260115", "1e400", "9" * 20, "1.2.3"])
def test_what_is_no_time_is_one_sentence(text):
    with pytest.raises(ValueError, match=r"is not a date; give one like 2026-01-15"):
        moment(text)


EVENTS = st.lists(
    st.tuples(
        st.integers(0, 20),
        st.sampled_from("abcd"),
        st.sampled_from(list(history.EVENTS)),
        st.integers(1, 3),
    ),
    max_size=25,
)
HOURS = st.integers(-1, 21)
briefly = settings(max_examples=60, deadline=None)


def table_of(events):
    rows = [
        {
            "when": moment(at(hour)),
            "event": event,
            "dataURI": name,
            "path": f"{name}.fits",
            "productFilename": f"{name}.fits",
            **({"size": version, "md5": str(version), "cal_ver": str(version)} if event in history.ARRIVALS else {}),
        }
        for hour, name, event, version in events
    ]
    return tables.conform(pd.DataFrame(rows, columns=list(tables.HISTORY_TABLE)), tables.HISTORY_TABLE)


def replayed(events, hour):
    """What is held, event by event: name to version and status."""
    held = {}
    told = {}
    for _, name, event, version in sorted((e for e in events if e[0] <= hour), key=lambda event: event[0]):
        if event in history.ARRIVALS:
            told[name] = ["present"]
            held[name] = (version, "present")
        elif event == "vanished":
            held.pop(name, None)
        elif name in held:
            if event == "current":  # takes back what MAST was said to have, not what was found on disk
                told[name] = [word for word in told[name] if word not in history.NEWS_OF_MAST]
            else:
                told[name].append(event)
            held[name] = (held[name][0], told[name][-1])
    return held


def as_dict(manifest):
    return {row.dataURI: (row.size_, row.status) for row in manifest.rename(columns={"size": "size_"}).itertuples()}


@briefly
@given(EVENTS, HOURS)
def test_a_manifest_is_what_the_events_until_then_leave(events, hour):
    assert as_dict(history.manifest_at(table_of(events), at(hour))) == replayed(events, hour)


@briefly
@given(EVENTS, HOURS, HOURS)
def test_a_difference_leads_from_one_manifest_to_the_other(events, hour1, hour2):
    table = table_of(events)
    changes = history.diff(table, at(hour1), at(hour2))
    old, new = (replayed(events, hour) for hour in (hour1, hour2))
    assert changes["dataURI"].is_unique
    assert history.diff(table, at(hour1), at(hour1)).empty
    expected = dict.fromkeys(new.keys() - old.keys(), "added") | dict.fromkeys(old.keys() - new.keys(), "gone")
    for name in old.keys() & new.keys():
        if old[name][0] != new[name][0]:
            expected[name] = "changed"
        elif new[name][1] != old[name][1] and new[name][1] != "present":
            expected[name] = new[name][1]
    assert dict(zip(changes["dataURI"], changes["change"], strict=True)) == expected
    versions = changes[["dataURI", "old_md5", "new_md5"]].fillna("").itertuples(index=False, name=None)
    for name, old_md5, new_md5 in versions:
        assert old_md5 == (str(old[name][0]) if name in old else "")
        assert new_md5 == (str(new[name][0]) if name in new else "")


def test_a_spoiled_file_is_a_difference(folder):
    folder.run(0, a(Code.DOWNLOADED))
    event = folder.events[["dataURI", "productFilename", "path"]].assign(event="spoiled", when=moment(at(1)))
    history.record_events(folder.store, "01138", event)
    assert history.diff(folder.events, at(0), at(2))["change"].tolist() == ["spoiled"]


def test_of_files_without_md5_the_size_and_the_pipeline_decide():
    old = pd.DataFrame(
        {"dataURI": ["a", "b", "c"], "size": [1, 1, 1], "cal_ver": ["1", "1", "1"], "md5": ["x", None, None]}
    )
    new = pd.DataFrame(
        {"dataURI": ["a", "b", "c"], "size": [1, 2, 1], "cal_ver": ["1", "1", "1"], "md5": [None, "y", "z"]}
    )
    old, new = (tables.conform(table, tables.MANIFEST_TABLE) for table in (old, new))
    assert history.compare(old, new)["dataURI"].tolist() == ["b"]


def test_many_proposals_are_read_in_one_table_but_for_those_that_share_a_file(folder):
    other = {"proposal_id": 2731, "cell": "2022-06-03|02731"}
    folder.run(0, a(Code.DOWNLOADED), a(Code.DOWNLOADED, name="b.fits", **other))
    folder.run(1, a(Code.DOWNLOADED, name="c.fits", proposal_id=1410, cell="2022-06-03|01410"))
    folder.run(2, a(Code.DOWNLOADED, name="c.fits", proposal_id=1411, cell="2022-06-04|01411"))
    proposals = ["01138", "01410", "01411", "02731", "09999"]
    parts = list(history.read_manifests(folder.store, proposals))
    assert [list(part["proposal"]) for part in parts] == [["01138", "02731"], ["01410"], ["01411"]]
    for part in parts:
        for proposal, rows in part.groupby("proposal"):
            alone = history.manifest_at(history.read_history(folder.store, str(proposal)))
            pd.testing.assert_frame_equal(rows.drop(columns="proposal").reset_index(drop=True), alone)


def test_what_was_recorded_before_a_time_is_not_read(folder):
    folder.run(0, a(Code.DOWNLOADED))
    folder.run(1, a(Code.DOWNLOADED, name="b.fits"))
    (oldest, _) = sorted((folder.store.root / ".jwst_mast_assets/history/01138").iterdir())
    oldest.write_text("damaged")
    assert history.read_history(folder.store, "01138", at(0.5))["productFilename"].tolist() == ["b.fits"]
    with pytest.raises(OutputError, match="restore it from a copy"):
        history.read_history(folder.store, "01138")
