"""astroquery's own client of the embedded archive, and what it is asked for."""

import requests
from astroquery.mast.discovery_portal import PortalAPI

NOW = 61000.25
UNCAL = "jw01138004001_02101_00001_nrca1_uncal.fits"


def portal_of(archive):
    """astroquery's own client, pointed at an archive."""
    portal = PortalAPI(session=requests.Session())
    portal.MAST_REQUEST_URL = f"{archive.url}/api/v0/invoke"
    portal.COLUMNS_CONFIG_URL = f"{archive.url}/portal/Mashup/Mashup.asmx/columnsconfig"
    return portal


def observations_of(portal, **criteria):
    """What ``query_criteria`` does, with a given portal."""
    filters = portal.build_filter_set("Mast.Caom.Cone", "Mast.Caom.Filtered", **criteria)
    return portal.service_request("Mast.Caom.Filtered", {"columns": "*", "filters": filters})
