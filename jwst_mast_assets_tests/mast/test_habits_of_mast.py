"""MAST's habits, each as the embedded archive has learned it: tokens, columns, long lists, pages."""

from collections.abc import Iterator, Sequence

import pytest

from jwst_mast_assets.embedded_archive import Catalogue, EmbeddedArchive, Fault
from jwst_mast_assets.mast import adaptive
from jwst_mast_assets.mast.archive import Archive
from jwst_mast_assets.mast.errors import ArchiveUnavailable
from jwst_mast_assets.mast.keywords import ask_keywords
from jwst_mast_assets.mast.replies import actual_names

EXPOSURES = 12


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedArchive]:
    """Twelve exposures of one program, each an observation with its own products, and one of eleven others each."""
    catalogue = Catalogue()
    for obsnum in range(1, EXPOSURES + 1):
        catalogue.add_observation(1138, obsnum, 60000.0 + obsnum, ("a1",), listed="exposures", exposures=1)
    for program in range(2001, 2012):
        catalogue.add_observation(program, 1, 60100.0, ("a1",), listed="exposures", exposures=1)
    with EmbeddedArchive(catalogue) as running:
        yield running


@pytest.fixture
def mast(server: EmbeddedArchive) -> Iterator[EmbeddedArchive]:
    server.faults.clear()
    server.clear_requests()
    yield server
    server.faults.clear()


def obsids(mast: EmbeddedArchive) -> list[int]:
    return [row["obsid"] for row in mast.catalogue.observations if row["obs_id"].startswith("jw01138")]


def sizes(mast: EmbeddedArchive) -> list[int]:
    """How many observations each query of products asked for."""
    return [
        len(request.params["obsid"].split(",")) for request in mast.requests if request.service == "Mast.Caom.Products"
    ]


def test_who_am_i_is_asked_for_json(mast: EmbeddedArchive) -> None:
    mast.faults.add(Fault("html", endpoint="whoami", header=r"^accept: (?!.*application/json)"))
    assert Archive(mast.url, "good-token").whoami().name == "Ada Astronomer"


@pytest.mark.parametrize(
    "fault",
    [
        Fault("html", endpoint="whoami"),
        Fault("status", endpoint="whoami", status=404),
        Fault("status", endpoint="whoami", status=503),
        Fault("html", endpoint="whoami", body='{"anonymous": "perhaps"}'),
        Fault("slow", endpoint="whoami", seconds=5.0),
    ],
    ids=["html", "404", "503", "other JSON", "time-out"],
)
def test_an_unreadable_answer_who_we_are_stops_nothing(mast: EmbeddedArchive, fault: Fault) -> None:
    mast.faults.add(fault)
    archive = Archive(mast.url, "good-token", read_timeout=0.5)
    assert archive.whoami().anonymous is None
    assert (archive.token, archive.warnings) == ("good-token", [])


def test_a_dead_token_is_named_once_and_given_up(mast: EmbeddedArchive) -> None:
    archive = Archive(mast.url, "dead-token")
    for _ in range(2):
        assert archive.whoami().anonymous
    (warning,) = archive.unsaid()
    assert "https://auth.mast.stsci.edu/token" in warning
    assert "dead-token" not in warning
    assert archive.token is None
    assert archive.unsaid() == []


def test_lists_are_asked_for_without_the_token(mast: EmbeddedArchive) -> None:
    Archive(mast.url, "some-token").observations([1138])
    assert "some-token" not in str([request.headers for request in mast.requests])


def test_a_token_that_is_refused_with_every_file_is_given_up_for_them(mast: EmbeddedArchive) -> None:
    mast.faults.add(
        Fault("html", endpoint="whoami"), Fault("status", endpoint="download", status=401, header="dead-token")
    )
    archive = Archive(mast.url, "dead-token")
    archive.whoami()
    name = next(iter(mast.catalogue.files))
    session = archive.session(5.0)
    for _ in range(2):
        assert session.get(f"{archive.download_url}?uri=mast:JWST/product/{name}").status_code == 200
    assert [request.status for request in mast.requests if request.endpoint == "download"] == [401, 200, 200]
    assert archive.token is None
    assert len(archive.warnings) == 1


def test_a_column_that_is_gone_costs_only_itself(mast: EmbeddedArchive, caplog: pytest.LogCaptureFixture) -> None:
    mast.faults.add(Fault("gone-column", match="Caom.Filtered", column="t_exptime"))
    archive = Archive(mast.url)
    for _ in range(2):
        found = archive.observations([1138])
        assert len(found) == EXPOSURES
        assert found["t_exptime"].isna().all()
        assert found["target_name"].notna().all()
    asked = [request.params["columns"] for request in mast.requests if request.endpoint == "invoke"]
    assert [columns == "*" for columns in asked] == [False, True, True]
    assert archive.absent_columns["observations"] == ["t_exptime"]
    assert "t_exptime" in archive.refused_columns["observations"]
    (warning,) = archive.warnings
    assert "it has no t_exptime" in warning
    assert len(caplog.records) == 1
    assert len(Archive(mast.url).observations([1138])) == EXPOSURES
    assert len(caplog.records) == 1


def test_keywords_without_a_version_have_their_checksums(mast: EmbeddedArchive) -> None:
    mast.faults.add(Fault("gone-column", match="Nircam", column="cal_ver"))
    name = next(name for name in mast.catalogue.files if name.endswith("_uncal.fits"))
    keywords = ask_keywords([name], Archive(mast.url))[name]
    assert (keywords.checksum, keywords.cal_ver) == (mast.md5(name), None)


def test_columns_are_known_in_whatever_capitals(mast: EmbeddedArchive) -> None:
    mast.faults.add(
        Fault("rename-column", match="Caom.Filtered", column="obsid", new_name="ObsId"),
        Fault("rename-column", match="Products", column="dataURI", new_name="datauri"),
    )
    archive = Archive(mast.url)
    found = archive.observations([1138])
    assert sorted(found["obsid"]) == sorted(obsids(mast))
    products = archive.products(list(found["obsid"]), 5)
    assert set(products["parent_obsid"]) == set(found["obsid"])
    assert products["dataURI"].str.startswith("mast:JWST/product/").all()
    assert archive.absent_columns["observations"] == []


def test_the_same_name_has_precedence_and_an_ambiguous_one_is_none() -> None:
    assert actual_names(["obsID"], ["obsid", "obsID"]) == {"obsID": "obsID"}
    assert actual_names(["obsID"], ["obsid"]) == {"obsID": "obsid"}
    assert actual_names(["obsID"], ["obsid", "OBSID"]) == {}


@pytest.mark.parametrize(
    "fault",
    [Fault("status", endpoint="invoke", status=504), Fault("error"), Fault("slow", endpoint="invoke", seconds=3.0)],
    ids=["504", "ERROR", "time-out"],
)
def test_batches_are_halved_until_they_work_and_that_is_remembered(mast: EmbeddedArchive, fault: Fault) -> None:
    fault.match, fault.more_than = "Products", 3
    mast.faults.add(fault)
    found = Archive(mast.url, read_timeout=1.0).products(obsids(mast), EXPOSURES)
    assert set(found["parent_obsid"]) == set(obsids(mast))
    assert sizes(mast) == [12, 6, 3, 3, 3, 3]
    mast.clear_requests()
    Archive(mast.url, read_timeout=1.0).products(obsids(mast), EXPOSURES)
    assert sizes(mast) == [3, 3, 3, 3]


def test_one_observation_that_fails_alone_costs_only_itself_and_is_named(mast: EmbeddedArchive) -> None:
    bad = obsids(mast)[4]
    mast.faults.add(Fault("error", match="Products", among=(str(bad),)))
    archive = Archive(mast.url)
    found = archive.products(obsids(mast), 6)
    assert set(found["parent_obsid"]) == set(obsids(mast)) - {bad}
    assert list(archive.failures["products"]) == [bad]
    assert "Internal error in the service" in archive.failures["products"][bad]
    # One bad observation says nothing about how many can be asked for.
    mast.clear_requests()
    assert len(Archive(mast.url).products(obsids(mast)[6:], 6)) > 0
    assert sizes(mast) == [6]


def test_one_proposal_that_fails_alone_costs_only_itself(mast: EmbeddedArchive) -> None:
    mast.faults.add(Fault("status", endpoint="invoke", match="Caom.Filtered", status=502, among=("02005",)))
    archive = Archive(mast.url, retries=0)
    found = archive.observations([1138, *range(2001, 2012)])
    assert set(found["proposal_id"]) == {1138, *range(2001, 2012)} - {2005}
    assert list(archive.failures["observations"]) == ["02005"]


def test_one_name_that_fails_alone_costs_only_its_own_keywords(mast: EmbeddedArchive) -> None:
    names = [name for name in mast.catalogue.files if name.endswith("_uncal.fits") and name.startswith("jw01138")]
    mast.faults.add(
        Fault("error", match="Nircam", more_than=6), Fault("status", endpoint="invoke", status=500, among=(names[0],))
    )
    archive = Archive(mast.url, retries=0)
    assert set(ask_keywords(names, archive)) == set(names[1:])
    assert list(archive.failures["nircam keywords"]) == [names[0]]
    (warning,) = archive.warnings
    assert names[0] in warning


def test_where_nothing_is_answered_few_questions_are_asked(mast: EmbeddedArchive) -> None:
    mast.faults.add(Fault("status", endpoint="invoke", match="Products", status=503))
    with pytest.raises(ArchiveUnavailable, match="HTTP status 503"):
        Archive(mast.url, retries=0).products(obsids(mast), EXPOSURES)
    assert len(sizes(mast)) < EXPOSURES


def test_a_server_that_cannot_be_reached_is_not_asked_for_less(mast: EmbeddedArchive) -> None:
    asked = []

    def ask(part: Sequence[int]) -> None:
        asked.append(len(part))
        Archive("http://127.0.0.1:9", retries=0).observations(part)

    with pytest.raises(ArchiveUnavailable, match="cannot be reached"):
        adaptive.in_parts("nowhere", list(range(1, 9)), ask, 8)
    assert asked == [8]


def test_requests_stop_when_failing_has_taken_too_long() -> None:
    def ask(part: Sequence[int]) -> list[int]:
        if 3 in part:
            raise ArchiveUnavailable("time-out")
        return list(part)

    answers = adaptive.in_parts("slow", list(range(8)), ask, 1, patience=0.0)
    assert answers.replies == [[0], [1], [2]]
    assert set(answers.failed) == {3, 4, 5, 6, 7}


def test_a_larger_part_is_tried_again_after_many_that_worked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adaptive, "GROW_AFTER", 3)
    most, asked = 2, []

    def ask(part: Sequence[int]) -> None:
        asked.append(len(part))
        if len(part) > most:
            raise ArchiveUnavailable("too many")

    adaptive.in_parts("growing", list(range(4)), ask, 4)
    assert asked == [4, 2, 2]
    most = 4
    adaptive.in_parts("growing", list(range(12)), ask, 4)
    assert asked[3:] == [2, 2, 2, 4, 2]


def test_parts_stay_as_large_where_one_fails_now_and_then() -> None:
    """A process that lives for months meets many failures that have nothing to do with the size."""
    asked = []

    def ask(part: Sequence[int]) -> None:
        asked.append(len(part))
        if len(asked) % 7 == 0:
            raise ArchiveUnavailable("a bad moment")

    for _ in range(100):
        adaptive.in_parts("flaky", list(range(8)), ask, 8)
    assert set(asked) == {8, 4}
    assert asked[-20:].count(8) > 10


def pages(mast: EmbeddedArchive) -> list[tuple[int, int]]:
    return [(request.params["page"], request.params["pagesize"]) for request in mast.requests if request.service]


def test_all_rows_are_asked_for_on_one_page(mast: EmbeddedArchive) -> None:
    assert len(Archive(mast.url).observations([1138])) == EXPOSURES
    assert pages(mast) == [(1, 500_000)]


def test_pages_that_do_not_overlap_are_joined(mast: EmbeddedArchive) -> None:
    mast.faults.add(Fault("pages", rows=5))
    found = Archive(mast.url).observations([1138])
    assert sorted(found["obsid"]) == sorted(obsids(mast))
    assert [page for page, _ in pages(mast)] == [1, 2, 3]


def test_overlapping_pages_that_skip_a_row_are_asked_again(mast: EmbeddedArchive) -> None:
    mast.faults.add(Fault("pages", rows=7, overlap=3, times=2))
    found = Archive(mast.url).observations([1138])
    assert sorted(found["obsid"]) == sorted(obsids(mast))
    assert [page for page, _ in pages(mast)] == [1, 2, 1]


def test_rows_that_never_come_are_an_error_with_both_numbers(mast: EmbeddedArchive) -> None:
    mast.faults.add(Fault("pages", rows=7, overlap=3))
    with pytest.raises(ArchiveUnavailable, match="sent only 11 of 12 observations"):
        Archive(mast.url).observations([1138])


def test_rows_that_mast_repeats_on_a_page_are_no_overlap(mast: EmbeddedArchive) -> None:
    twice = obsids(mast)[:2] * 2
    assert len(Archive(mast.url).products(twice, 4)) == len(Archive(mast.url).products(twice[:2], 4))
