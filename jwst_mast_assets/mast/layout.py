"""Where a product's file goes on disk: ``<root>/<PPPPP>/obsnum<XX>/[jpg/]<name>``, each part by its parameter."""

from pathlib import Path

import pandas as pd

from jwst_mast_assets.mast import names, tables
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.errors import OutputError


def outfilenames(products: pd.DataFrame, config: Config) -> pd.Series:
    """Full path of each product's file.

    Parameters
    ----------
    products : DataFrame
        With ``proposal_id``, ``obsnum``, ``productFilename``.
    config : Config
        Its output parameters.

    Returns
    -------
    Series of string
        Missing where the name that MAST sent cannot be a file name here (:func:`names.is_safe`): such a
        product is reported, never written.
    """
    root = str(config.root)
    proposal = products["proposal_id"].astype("string").str.zfill(5)
    folder = pd.Series(root, index=products.index, dtype="string")
    if not config.skip_propID2outsubdir:
        folder = folder + "/" + proposal
    per_obsnum = products["proposal_id"].isin(config.propIDs_obsnum2outsubdir) | config.obsnum2outsubdir
    obsnum = ("obsnum" + products["obsnum"].astype("string").str.zfill(2)).fillna("NA")
    folder = folder.where(~per_obsnum.astype(bool), folder + "/" + obsnum)
    if config.jpg_separate_subdir:
        is_jpg = tables.is_true(products["productFilename"].str.endswith(".jpg"))
        folder = folder.where(~is_jpg, folder + "/jpg")
    path = folder + "/" + products["productFilename"]
    return path.where(names.is_safe(products["productFilename"])).astype("string")


def proposal_folder(config: Config, proposal: str) -> Path:
    """The folder of a proposal's page and tables, even if the files themselves go elsewhere."""
    return config.root / proposal


def make_folder(folder: Path) -> None:
    """Make a folder and those above it.

    Raises
    ------
    OutputError
        If it cannot be created or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".jwst_mast_assets_probe"
        probe.touch()
        probe.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"The output folder {folder} cannot be written ({error.strerror}); "
            "choose another with outrootdir or $JWSTDOWNLOAD_OUTDIR, or change its permissions"
        ) from None
