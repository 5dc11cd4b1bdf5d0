"""The columns of the tables that the embedded archive serves: names, types and what MAST says of them.

Types are those of a Mashup reply: ``string``, ``int``, ``float``, ``boolean`` and ``date``, where a date is
the text ``/Date(milliseconds since 1970)/``.  As in MAST itself the identifiers (``obsid``, ``obsID``,
``ArchiveFileID``, ...) are declared as strings although the rows carry numbers.
"""

OBSERVATION_COLUMNS = {
    "intentType": "string",
    "obs_collection": "string",
    "provenance_name": "string",
    "instrument_name": "string",
    "project": "string",
    "filters": "string",
    "wavelength_region": "string",
    "target_name": "string",
    "target_classification": "string",
    "obs_id": "string",
    "s_ra": "float",
    "s_dec": "float",
    "dataproduct_type": "string",
    "proposal_pi": "string",
    "calib_level": "int",
    "t_min": "float",
    "t_max": "float",
    "t_exptime": "float",
    "em_min": "float",
    "em_max": "float",
    "obs_title": "string",
    "t_obs_release": "float",
    "proposal_id": "string",
    "proposal_type": "string",
    "sequence_number": "int",
    "s_region": "string",
    "jpegURL": "string",
    "dataURL": "string",
    "dataRights": "string",
    "mtFlag": "boolean",
    "srcDen": "float",
    "obsid": "string",
    "objID": "string",
}

PRODUCT_COLUMNS = {
    "obsID": "string",
    "obs_collection": "string",
    "dataproduct_type": "string",
    "obs_id": "string",
    "description": "string",
    "type": "string",
    "dataURI": "string",
    "productType": "string",
    "productGroupDescription": "string",
    "productSubGroupDescription": "string",
    "productDocumentationURL": "string",
    "project": "string",
    "prvversion": "string",
    "proposal_id": "string",
    "productFilename": "string",
    "size": "int",
    "parent_obsid": "string",
    "dataRights": "string",
    "calib_level": "int",
    "filters": "string",
}

KEYWORD_COLUMNS = {
    "ArchiveFileID": "string",
    "filename": "string",
    "fileSetName": "string",
    "productLevel": "string",
    "dataURI": "string",
    "fileSize": "string",
    "checksum": "string",
    "FileTypeID": "int",
    "FileSetId": "string",
    "instrume": "string",
    "detector": "string",
    "exp_type": "string",
    "program": "int",
    "observtn": "int",
    "visit": "int",
    "visit_id": "string",
    "act_id": "string",
    "exposure": "int",
    "category": "string",
    "template": "string",
    "title": "string",
    "pi_name": "string",
    "date": "date",
    "date_obs": "date",
    "date_obs_mjd": "float",
    "expstart": "float",
    "expend": "float",
    "effexptm": "float",
    "effinttm": "float",
    "nints": "int",
    "ngroups": "int",
    "nframes": "int",
    "readpatt": "string",
    "filter": "string",
    "pupil": "string",
    "targ_ra": "float",
    "targ_dec": "float",
    "targprop": "string",
    "targname": "string",
    "visitsta": "string",
    "asntable": "string",
    "asnpool": "string",
    "cal_ver": "string",
    "cal_vcs": "string",
    "crds_ctx": "string",
    "crds_ver": "string",
    "sdp_ver": "string",
    "ingestStartDate": "date",
    "ingestCompletionDate": "date",
    "publicReleaseDate": "date",
    "isRestricted": "boolean",
    "isStale": "boolean",
    "isItar": "boolean",
}

# What the guide-star service has of them; it spells the name's column in its own way.
_NOT_OF_GUIDE_STARS = ("filename", "dataURI", "filter", "pupil", "asntable", "asnpool", "template", "effinttm")
GUIDE_STAR_COLUMNS = {
    "fileName": "string",
    **{name: kind for name, kind in KEYWORD_COLUMNS.items() if name not in _NOT_OF_GUIDE_STARS},
    "gdstarid": "string",
    "gs_order": "int",
}

# column: (label, unit, description) for the columns that people ask by
_DESCRIBED = {
    "intentType": ("Observation Type", "", "Whether observation is for science or calibration."),
    "obs_collection": ("Mission", "", "Collection"),
    "provenance_name": ("Provenance Name", "", "Provenance name, or source of data"),
    "instrument_name": ("Instrument", "", "Instrument Name"),
    "target_name": ("Target Name", "", "Target Name"),
    "obs_id": ("Observation ID", "", "Observation identifier, given by mission"),
    "s_ra": ("RA", "deg", "Observation Right Ascension"),
    "s_dec": ("Dec", "deg", "Observation Declination"),
    "proposal_id": ("Proposal ID", "", "Proposal ID"),
    "proposal_pi": ("Principal Investigator", "", "Principal investigator's last name"),
    "calib_level": ("Calibration Level", "", "Calibration level"),
    "t_min": ("Start Time", "MJD", "Observation start datetime"),
    "t_max": ("End Time", "MJD", "Observation end datetime"),
    "t_obs_release": ("Release Date", "MJD", "Dataset release date"),
    "t_exptime": ("Exposure Length", "sec", "Exposure time"),
    "em_min": ("Min. Wavelength", "nm", "Minimum Wavelength"),
    "em_max": ("Max. Wavelength", "nm", "Maximum Wavelength"),
    "obsid": ("Product Group ID", "", "Database identifier for obs_id"),
    "dataRights": ("Data Rights", "", "Data Rights"),
    "size": ("File Size", "B", "Size of the file"),
    "dataURI": ("Data URI", "", "Identifier under which the file can be downloaded"),
}

_VOTABLE_TYPE = {"string": "char", "int": "int", "float": "double", "boolean": "boolean", "date": "char"}


def service_columns(service: str) -> dict[str, str]:
    """Columns of one Mashup service.

    Parameters
    ----------
    service : str
        E.g. ``Mast.Caom.Filtered`` or ``Mast.Jwst.Filtered.Nircam``.

    Returns
    -------
    dict
        Column name to Mashup type; empty for a service that the archive does not have.
    """
    if service == "Mast.Jwst.Filtered.GuideStar":
        return GUIDE_STAR_COLUMNS
    if service.startswith("Mast.Jwst.Filtered"):
        return KEYWORD_COLUMNS
    if service.startswith("Mast.Caom.Products"):
        return PRODUCT_COLUMNS
    if service.startswith("Mast.Caom"):
        return OBSERVATION_COLUMNS
    return {}


def columns_configuration(config_id: str) -> dict[str, dict[str, str]]:
    """What ``columnsconfig`` answers for a service.

    Clients read from it which columns are continuous (asked by ranges) and which discrete (asked by strings).

    Parameters
    ----------
    config_id : str
        The ``colConfigId`` of the request, usually ``Mast.Caom.Cone``.

    Returns
    -------
    dict
        Column name to its properties; empty, as from MAST, for an unknown service.
    """
    return {name: _column_properties(name, mashup_type) for name, mashup_type in service_columns(config_id).items()}


def _column_properties(name: str, mashup_type: str) -> dict[str, str]:
    label, unit, description = _DESCRIBED.get(name, (name, "", name))
    properties = {
        "text": label,
        "vot.datatype": _VOTABLE_TYPE[mashup_type],
        "vot.description": description,
        "vot.ID": name,
        "vot.name": name,
    }
    if unit:
        properties["unit"] = unit
        properties["vot.unit"] = unit
    return properties


def convert_text(text: str, mashup_type: str) -> str | int | float | bool | None:
    """The value of a cell of a CSV table; ``None`` if it is empty or NaN."""
    if text in ("", "nan", "NaN", "None"):
        return "" if mashup_type == "string" and text == "" else None
    if mashup_type == "int":
        return int(float(text))
    if mashup_type == "float":
        return float(text)
    if mashup_type == "boolean":
        return text.lower() == "true"
    return text
