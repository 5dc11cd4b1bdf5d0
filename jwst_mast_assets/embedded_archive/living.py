"""What a living archive does to what it has: rows move, are numbered or named anew, come late, vanish and come back."""

from collections.abc import Collection
from dataclasses import replace

from jwst_mast_assets.embedded_archive.catalogue import Catalogue
from jwst_mast_assets.embedded_archive.files import DATA_URI_PREFIX
from jwst_mast_assets.embedded_archive.rows import Row


def observation_of(catalogue: Catalogue, obs_id: str) -> Row:
    """The row of an observation, to be changed in place.

    Raises
    ------
    KeyError
        If there is none.
    """
    for row in catalogue.observations:
        if row["obs_id"] == obs_id:
            return row
    raise KeyError(obs_id)


def move_observation(catalogue: Catalogue, obs_id: str, days: float) -> None:
    """The recorded time of an observation is corrected; nothing else changes."""
    with catalogue.lock:
        row = observation_of(catalogue, obs_id)
        row |= {"t_min": row["t_min"] + days, "t_max": row["t_max"] + days}


def renumber_observation(catalogue: Catalogue, obs_id: str, obsid: int) -> None:
    """An observation gets another ``obsid``; its name and its files stay."""
    with catalogue.lock:
        row = observation_of(catalogue, obs_id)
        before, row["obsid"] = row["obsid"], obsid
        products = catalogue._products.pop(before)
        catalogue._products[obsid] = [_numbered(product, before, obsid) for product in products]


def rename_observation(catalogue: Catalogue, obs_id: str, new: str) -> list[str]:
    """An observation and its files get another name, under the same ``obsid``; returns the names of the files."""
    with catalogue.lock:
        row = observation_of(catalogue, obs_id)
        row["obs_id"] = new
        renamed = []
        for product in catalogue._products[row["obsid"]]:
            if product["productFilename"].startswith(obs_id):
                before = product["productFilename"]
                name = before.replace(obs_id, new, 1)
                catalogue.files[name] = replace(catalogue.files[before], name=name)
                product |= {"obs_id": new, "productFilename": name, "dataURI": DATA_URI_PREFIX + name}
                renamed.append(name)
        return renamed


def add_product(catalogue: Catalogue, like: str, name: str) -> None:
    """A file comes late: it joins the lists that have another one, whose bytes it is made like."""
    with catalogue.lock:
        catalogue.files[name] = replace(catalogue.files[like], name=name)
        for products in catalogue._products.values():
            for product in [product for product in products if product["productFilename"] == like]:
                products.append({**product, "productFilename": name, "dataURI": DATA_URI_PREFIX + name})


def release_observation(catalogue: Catalogue, prefix: str, mjd: float) -> list[str]:
    """The files of observations whose names start with a text become public; returns their names."""
    with catalogue.lock:
        names = [name for name, file in catalogue.files.items() if file.exclusive and name.startswith(prefix)]
        for name in names:
            file = catalogue.files[name]
            file.exclusive, file.migrated, file.release = False, True, mjd
        for row in catalogue.observations:
            if row["obs_id"].startswith(prefix) and row["dataRights"] != "PUBLIC":
                row |= {"dataRights": "PUBLIC", "t_obs_release": mjd}
        for products in catalogue._products.values():
            for product in products:
                if product["productFilename"] in names:
                    product["dataRights"] = "PUBLIC"
        return names


def withdraw(catalogue: Catalogue, names: Collection[str]) -> dict[int, list[Row]]:
    """Files are no longer listed, though they can still be downloaded; returns their rows for `list_again`."""
    with catalogue.lock:
        taken: dict[int, list[Row]] = {}
        for obsid, products in catalogue._products.items():
            taken[obsid] = [product for product in products if product["productFilename"] in names]
            products[:] = [product for product in products if product["productFilename"] not in names]
        return {obsid: rows for obsid, rows in taken.items() if rows}


def list_again(catalogue: Catalogue, rows: dict[int, list[Row]]) -> None:
    """What was withdrawn is listed again."""
    with catalogue.lock:
        for obsid, some in rows.items():
            catalogue._products[obsid] += some


def _numbered(product: Row, before: int, obsid: int) -> Row:
    own = product["obsID"] == before
    return {**product, "parent_obsid": obsid, "obsID": obsid if own else product["obsID"]}
