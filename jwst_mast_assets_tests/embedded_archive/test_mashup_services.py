"""The Mashup services, asked by astroquery's own client and by hand."""

import hashlib
import json

import numpy as np
import pytest
import requests
from astroquery.exceptions import RemoteServiceError

from jwst_mast_assets_tests.embedded_archive.clients import UNCAL, observations_of

DAY = [59679, 59680]


def test_observations_are_found_by_astroquery_criteria(portal):
    table = observations_of(portal, proposal_id="1138", instrument_name="NIRCAM*", t_min=DAY, obs_collection="JWST")
    assert len(table) == 30
    assert table["t_min"].dtype == np.float64
    assert table["obsid"].dtype.kind == "U"
    assert set(table["instrument_name"]) == {"NIRCAM/IMAGE"}


def test_instruments_are_found_in_any_capitals_and_by_wildcard(portal):
    names = set(observations_of(portal, instrument_name="nircam*", t_min=[59000, 62000])["instrument_name"])
    assert names == {"NIRCAM", "NIRCAM/IMAGE"}
    assert len(observations_of(portal, instrument_name="nircam/image", t_min=DAY)) == 30


def test_proposals_are_compared_as_text(portal):
    assert len(observations_of(portal, proposal_id=["1138", "01138"], t_min=DAY)) == 30
    with pytest.warns(match="no results"):
        assert len(observations_of(portal, proposal_id="01138", t_min=DAY)) == 0


def test_planned_observations_come_with_empty_times(portal):
    table = observations_of(portal, calib_level=-1)
    assert len(table) == 5
    assert np.isnan(table["t_min"]).all()


def test_products_carry_the_observation_asked_for(portal):
    observations = observations_of(portal, proposal_id="02731", instrument_name="NIRCAM*")
    obsids = list(observations["obsid"])
    products = portal.service_request("Mast.Caom.Products", {"obsid": ",".join(obsids)})
    assert set(products["parent_obsid"]) == set(obsids)
    assert set(products["obsID"]) > set(obsids)
    assert len(set(products["dataURI"])) < len(products) / 2


def test_keywords_tell_the_md5_of_the_file(portal, archive):
    condition = [{"paramName": "program", "values": ["01138"]}, {"paramName": "filename", "values": [UNCAL]}]
    (row,) = portal.service_request("Mast.Jwst.Filtered.Nircam", {"columns": "*", "filters": condition})
    assert row["checksum"] == hashlib.md5(archive.content(UNCAL)).hexdigest()
    assert row["program"] == 1138
    assert row["fileSetName"] == "jw01138004001_02101_00001"
    assert int(row["fileSize"]) == len(archive.content(UNCAL))
    assert row["ingestCompletionDate"].startswith("/Date(")


@pytest.mark.parametrize("service", ["Nircam", "Nirspec", "Niriss", "Miri", "Fgs"])
def test_every_instrument_has_keywords(invoke, service):
    reply = invoke(f"Mast.Jwst.Filtered.{service}", {"columns": "filename,instrume", "filters": []})
    assert {row["instrume"] for row in reply["data"]} == {service.upper()}


@pytest.mark.parametrize("form", ["/Date({})/", "iso"])
def test_reprocessed_files_are_found_by_their_ingest_date(invoke, archive, form):
    archive.reprocess([UNCAL], when=1_800_000_000)
    low = form.format(1_799_999_000_000) if form != "iso" else "2027-01-15T07:00:00"
    filters = [{"paramName": "ingestCompletionDate", "values": [{"min": low, "max": None}]}]
    reply = invoke(
        "Mast.Jwst.Filtered.Nircam", {"columns": "filename,cal_ver,ingestCompletionDate", "filters": filters}
    )
    assert [row["filename"] for row in reply["data"]] == [UNCAL]


def test_rows_are_counted_without_being_sent(invoke):
    filters = [{"paramName": "t_min", "values": [{"min": DAY[0], "max": DAY[1]}]}]
    reply = invoke("Mast.Caom.Filtered", {"columns": "COUNT_BIG(*)", "filters": filters})
    assert reply["data"] == [{"Column1": 30}]


def test_columns_can_be_chosen(invoke):
    reply = invoke("Mast.Caom.Filtered", {"columns": "obsid,t_min", "filters": []})
    assert [field["name"] for field in reply["fields"]] == ["obsid", "t_min"]
    assert set(reply["data"][0]) == {"obsid", "t_min"}


def test_pages_add_up_to_the_whole(portal, invoke):
    first = invoke("Mast.Caom.Filtered", {"columns": "obsid", "filters": []}, pagesize=50, page=1)
    assert first["paging"] == {
        "page": 1, "pageSize": 50, "pagesFiltered": 3, "rows": 50, "rowsFiltered": 120, "rowsTotal": 120,
    }  # fmt: skip
    table = portal.service_request("Mast.Caom.Filtered", {"columns": "obsid", "filters": []}, pagesize=50)
    assert len(set(table["obsid"])) == 120


@pytest.mark.parametrize(
    ("service", "params", "message"),
    [
        ("Mast.Nothing", {}, "does not exist"),
        ("Mast.Caom.Filtered", {"columns": "obsid,nothing"}, "Invalid column"),
        ("Mast.Caom.Filtered", {"filters": [{"paramName": "nothing", "values": ["1"]}]}, "Invalid column"),
        ("Mast.Caom.Products", {"obsid": "x"}, "Error in request"),
        ("Mast.Caom.Products", {}, "Error in request"),
    ],
)
def test_a_wrong_request_is_an_error_with_a_message(portal, service, params, message):
    with pytest.raises(RemoteServiceError, match=message):
        portal.service_request(service, params)


def test_replies_are_strict_json(archive):
    text = json.dumps({"service": "Mast.Caom.Filtered", "params": {"columns": "*", "filters": []}})
    for path in ("/api/v0/invoke", "/portal_jwst/Mashup/Mashup.asmx/invoke"):
        reply = requests.get(archive.url + path, params={"request": text}, timeout=10)
        json.loads(reply.text, parse_constant=lambda name: pytest.fail(f"{name} in the reply"))


def test_requests_are_recorded(portal, archive):
    archive.clear_requests()
    observations_of(portal, proposal_id="1138", t_min=DAY)
    entry = archive.requests[-1]
    assert (entry.method, entry.endpoint, entry.service, entry.status) == ("POST", "invoke", "Mast.Caom.Filtered", 200)
    assert entry.params["filters"][0] == {"paramName": "proposal_id", "values": ["1138"]}
