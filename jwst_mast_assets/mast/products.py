"""From observations to the table of their products, in batches."""

from collections.abc import Sequence

import pandas as pd

from jwst_mast_assets.mast import names, selection, tables
from jwst_mast_assets.mast.archive import Archive
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.layout import outfilenames
from jwst_mast_assets.mast.listing import Listing, OpenList, asked_again
from jwst_mast_assets.mast.observations import sort

NO_PRODUCTS = "MAST lists no products of it yet"


def query_products(archive: Archive, config: Config, observations: pd.DataFrame, known: pd.DataFrame) -> Listing:
    """Every product of the observations that the configuration wants, selected or not.

    Products of the cells' other observations are kept from the record: a run for one instrument does not forget
    those of another. The same applies to an observation for which MAST does not answer, or repeatedly lists fewer
    products than are known, or none.

    Parameters
    ----------
    archive : Archive
    config : Config
    observations : DataFrame
        Columns of ``tables.OBS_TABLE``.
    known : DataFrame
        Columns of ``tables.PRODUCT_TABLE``: what an earlier run recorded for the same cells.

    Returns
    -------
    Listing
        Its table has the columns of ``tables.PRODUCT_TABLE``, one row per cell and ``dataURI``, sorted by
        ``sortcols_productTable``.

    Raises
    ------
    ArchiveError
        If MAST does not answer for any observation, or not with what is needed.
    """
    archive.max_queries = config.max_queries
    wanted = observations[tables.is_true(observations["wanted"])]
    asked = list(dict.fromkeys(int(obsid) for obsid in wanted["obsid"]))
    known = known.astype({"parent_obsid": "Int64"})

    def ask(obsids: Sequence[int]) -> pd.DataFrame:
        return archive.products(obsids, config.batch_size)

    found = ask(asked)
    failed = {obsid: why for obsid, why in archive.failures["products"].items() if obsid in set(asked)}
    answered = set(asked) - failed.keys()
    found, short = asked_again(found, known, answered, "parent_obsid", "dataURI", ask, least=1)
    unanswered = set(observations["obsid"]) - answered
    doubtful = known["parent_obsid"].isin(short.keys()) & ~tables.among(known["dataURI"], found["dataURI"])
    kept = tables.conform(
        known[known["parent_obsid"].isin(unanswered) | doubtful],
        {**tables.PRODUCTS_FROM_MAST, "obsnums": tables.OBSNUMS},
    )
    everything = pd.concat([part for part in (found, kept) if len(part)] or [found], ignore_index=True)
    parents = wanted.drop_duplicates("obsid").set_index("obsid")
    problems = [OpenList(parents["cell"][one], parents["obs_id"][one], why, True) for one, why in failed.items()]
    on_record = set(known["parent_obsid"])
    problems += [
        OpenList(
            parents["cell"][one],
            parents["obs_id"][one],
            f"MAST lists {count} products" if one in on_record else NO_PRODUCTS,
            False,
        )
        for one, count in short.items()
    ]
    table = describe_products(everything, observations, config)
    return Listing(table, "dataURI", "parent_obsid", frozenset(found["dataURI"]), problems, frozenset(unanswered))


def describe_products(found: pd.DataFrame, observations: pd.DataFrame, config: Config) -> pd.DataFrame:
    """What is derived from MAST's columns: names, cell, selection and place on disk; once per cell, sorted."""
    parents = observations.drop_duplicates("obsid").set_index("obsid")
    parent = found["parent_obsid"]
    table = found[parent.isin(parents.index)].copy()
    parent = table["parent_obsid"]
    # All members count, even those whose files another observation claims below.
    several = numbers_of_members(table)
    for column in ("cell", "t_obs_release", "wanted"):
        table[column] = parent.map(parents[column]).astype(parents[column].dtype)
    table["proposal_id"] = table["proposal_id"].fillna(parent.map(parents["proposal_id"]))
    table = table.loc[
        closest_parent_first(table, observations).drop_duplicates(["cell", "dataURI"]).index.sort_values()
    ]
    table = table.reset_index(drop=True)
    table["obsnum"] = product_obsnums(table, parents["obsnum"])
    of_several = own_obsnums(table).isna() & table["parent_obsid"].map(parents["obsnum"]).isna()
    table["obsnums"] = table["parent_obsid"].map(several).astype("string").where(of_several)
    table["visit"] = names.visit(table["obs_id"]).fillna(names.visit(table["productFilename"]))
    table["sca"] = names.sca(table["obs_id"]).fillna(names.sca(table["productFilename"]))
    table["filetype"] = names.filetype(table["productFilename"])
    wanted = tables.is_true(table["wanted"])
    return sort(
        select_products(tables.conform(table, tables.PRODUCT_TABLE), wanted, config), config.sortcols_productTable
    )


def closest_parent_first(products: pd.DataFrame, observations: pd.DataFrame) -> pd.DataFrame:
    """The rows in the order in which the observations that list a file may claim it.

    First the observation that owns the file, then one of the file's own observation number (not a level-3
    candidate of several), then the others; among equals as they are listed.
    """
    parent_number = products["parent_obsid"].map(
        names.obsnum(observations.drop_duplicates("obsid").set_index("obsid")["obs_id"])
    )
    owns = products["obsID"] == products["parent_obsid"]
    same_number = names.obsnum(products["productFilename"]) == parent_number
    rank = 2 - tables.is_true(same_number).astype(int)
    return products.loc[rank.mask(tables.is_true(owns), 0).sort_values(kind="stable").index]


def select_products(products: pd.DataFrame, wanted: pd.Series, config: Config) -> pd.DataFrame:
    """The table with ``selected`` and ``outfilename`` for a configuration.

    Parameters
    ----------
    products : DataFrame
        Columns of ``tables.PRODUCT_TABLE``.
    wanted : Series of boolean
        Whether the product's observation is wanted.
    config : Config
    """
    return products.assign(
        selected=selection.product_is_selected(products, config) & wanted.astype("boolean"),
        outfilename=outfilenames(products, config),
    )


def product_obsnums(products: pd.DataFrame, parent_obsnums: pd.Series) -> pd.Series:
    """Observation number of each product: from its observation's name, its own, else its parent's.

    A level-3 parent of several observations has none in its name; its number is then that of its members, if they
    agree on one.
    """
    own = own_obsnums(products)
    parent = products["parent_obsid"]
    of_parent = parent.map(parent_obsnums).astype("Int64")
    members = pd.DataFrame({"parent": parent, "obsnum": own}).dropna()
    agreed = members.groupby("parent")["obsnum"].agg(["min", "max"])
    agreed = agreed.loc[agreed["min"] == agreed["max"], "min"]
    return own.fillna(of_parent).fillna(parent.map(agreed).astype("Int64"))


def own_obsnums(products: pd.DataFrame) -> pd.Series:
    """The observation number in the name of each product's observation, else in its own. A Series of Int64."""
    return names.obsnum(products["obs_id"]).fillna(names.obsnum(products["productFilename"]))


def numbers_of_members(products: pd.DataFrame) -> dict[int, str]:
    """The observation numbers of all members of each level-3 observation of several, by its ``obsid``.

    Parameters
    ----------
    products : DataFrame
        MAST's lists: ``parent_obsid``, ``obs_id``, ``productFilename``; and ``obsnums`` of those that an earlier run
        recorded, where there are some.

    Returns
    -------
    dict
        ``"3,4,5"``; without observations whose members are of one.
    """
    numbers = own_obsnums(products).astype("string")
    if "obsnums" in products:
        numbers = pd.concat([numbers, products["obsnums"].astype("string").str.split(",").explode()])
    found = pd.DataFrame({"parent": products["parent_obsid"].reindex(numbers.index), "obsnum": numbers})
    by_parent = found.dropna().drop_duplicates().groupby("parent")["obsnum"]
    return {
        int(parent): ",".join(sorted(group, key=int))  # pyright: ignore[reportArgumentType]
        for parent, group in by_parent
        if len(group) > 1
    }
