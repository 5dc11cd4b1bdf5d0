"""Which keyword service has which file, and what it says of it."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from jwst_mast_assets.embedded_archive import EmbeddedArchive, Fault
from jwst_mast_assets.embedded_archive.files import ProductFile
from jwst_mast_assets.mast.archive import Archive
from jwst_mast_assets.mast.current_keywords import current_keywords, unanswered
from jwst_mast_assets.mast.keywords import ask_keywords
from jwst_mast_assets.records.reprocessing import changes_by_keywords
from jwst_mast_assets_tests.downloads.holdings import CAL, config_for, fetch, small_catalogue

MSA = "jw05224004001_01_msa.fits"


@pytest.fixture
def embedded() -> Iterator[EmbeddedArchive]:
    catalogue = small_catalogue()
    catalogue.files[MSA] = ProductFile(MSA, 57_600, {"INSTRUME": "NIRSPEC", "PROGRAM": "05224"})
    with EmbeddedArchive(catalogue) as archive:
        yield archive


def guide_stars(embedded: EmbeddedArchive) -> list[str]:
    return [name for name in embedded.catalogue.files if name.startswith("jw01138001001_gs-fg_")]


def services(embedded: EmbeddedArchive) -> list[str]:
    return [request.service.rpartition(".")[2] for request in embedded.requests if request.endpoint == "invoke"]


def test_guide_stars_are_asked_of_their_own_service(embedded: EmbeddedArchive) -> None:
    names = guide_stars(embedded)
    found = ask_keywords([*names, CAL], Archive(embedded.url))
    assert {name: keywords.checksum for name, keywords in found.items()} == {
        name: embedded.md5(name) for name in [*names, CAL]
    }
    assert found[names[0]].cal_ver == "1.18.0"
    assert sorted(services(embedded)) == ["GuideStar", "Nircam"]


def test_the_service_of_the_guider_as_an_instrument_has_no_guide_stars(embedded: EmbeddedArchive) -> None:
    (name, *_) = guide_stars(embedded)
    assert Archive(embedded.url).keywords("fgs", [{"paramName": "filename", "values": [name]}]).empty


def test_files_of_the_shutter_array_are_asked_of_nirspec(embedded: EmbeddedArchive) -> None:
    assert ask_keywords([MSA], Archive(embedded.url))[MSA].checksum == embedded.md5(MSA)
    assert services(embedded) == ["Nirspec"]


def test_a_reprocessed_guide_star_file_is_noticed(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    names = guide_stars(embedded)
    files = fetch(embedded, config_for(tmp_path), *names)
    assert set(files["verified"]) == {"checksum"}
    embedded.reprocess(names[0])
    changes = changes_by_keywords(files, current_keywords(Archive(embedded.url), files["productFilename"]))
    assert changes["productFilename"].tolist() == [names[0]]
    assert changes["new_md5"].tolist() == [embedded.md5(names[0])]


def test_many_guide_star_files_of_a_program_are_asked_for_by_name(embedded: EmbeddedArchive) -> None:
    recorded = pd.Series([f"jw01138001001_gs-fg_{stamp:013d}_cal.fits" for stamp in range(1200)], dtype="string")
    current_keywords(Archive(embedded.url), recorded)
    assert services(embedded) == ["GuideStar"] * 3


def test_what_a_service_leaves_out_of_one_answer_is_asked_for_again(embedded: EmbeddedArchive) -> None:
    embedded.faults.add(Fault("short-list", match="Nircam", rows=0, times=1))
    archive = Archive(embedded.url)
    found = current_keywords(archive, pd.Series([CAL, MSA]), {CAL, MSA})
    assert {name: keywords.checksum for name, keywords in found.items()} == {
        name: embedded.md5(name) for name in (CAL, MSA)
    }
    assert (unanswered(archive), archive.warnings) == (set(), [])


def test_a_service_that_fails_when_it_is_asked_again_costs_the_others_nothing(embedded: EmbeddedArchive) -> None:
    embedded.faults.add(Fault("short-list", match="Nircam", rows=0, nth=1))
    for number in range(2, 9):
        embedded.faults.add(Fault("error", match="Nircam", nth=number))
    archive = Archive(embedded.url)
    found = current_keywords(archive, pd.Series([CAL, MSA]), {CAL, MSA})
    assert list(found) == [MSA]
    assert unanswered(archive) == {CAL}
