"""Small tables as MAST would send them."""

import pandas as pd

from jwst_mast_assets.mast import tables
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.observations import describe_observations
from jwst_mast_assets.mast.products import describe_products

T_MIN = 59679.4


def observations(*rows: tuple[int, str, float, str], config: Config | None = None) -> pd.DataFrame:
    """Observations of (obsid, obs_id, t_min, instrument_name), with the proposal of the name."""
    found = pd.DataFrame(
        [
            {
                "obsid": obsid,
                "obs_id": obs_id,
                "proposal_id": int(obs_id[2:7]),
                "t_min": t_min,
                "instrument_name": instrument,
                "calib_level": 3 if "-" in obs_id[7:9] else 2,
                "t_exptime": 161.052,
                "dataURL": "",
            }
            for obsid, obs_id, t_min, instrument in rows
        ]
    )
    return describe_observations(tables.conform(found, tables.OBS_FROM_MAST), config or Config())


def listed(*rows: tuple[int, int, str, str]) -> pd.DataFrame:
    """MAST's rows of (parent_obsid, obsID, obs_id, productFilename)."""
    found = pd.DataFrame(
        [
            {
                "parent_obsid": parent,
                "obsID": obsid,
                "obs_id": obs_id,
                "productFilename": name,
                "proposal_id": int(name[2:7]),
                "dataURI": f"mast:JWST/product/{name}",
                "size": 2880 * number,
                "calib_level": 1 if "_uncal" in name else 3 if "-o" in name or "-c" in name else 2,
                "dataproduct_type": "image",
            }
            for number, (parent, obsid, obs_id, name) in enumerate(rows, 1)
        ]
    )
    return tables.conform(found, tables.PRODUCTS_FROM_MAST)


def products(config: Config, *names: str) -> pd.DataFrame:
    """Products of one observation each, named as their file."""
    exposures = [name.rpartition("_")[0] for name in names]
    obsids = {exposure: 100 + number for number, exposure in enumerate(dict.fromkeys(exposures))}
    parents = observations(*((obsid, name, T_MIN, "NIRCAM/IMAGE") for name, obsid in obsids.items()), config=config)
    rows = [(obsids[e], obsids[e], e, name) for e, name in zip(exposures, names, strict=True)]
    return describe_products(listed(*rows), parents, config)
