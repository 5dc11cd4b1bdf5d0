"""What the names of JWST files and observations mean.

The schemes are those of the JWST pipeline documentation ("File Naming Schemes"):

- exposure: ``jw<PPPPP><OOO><VVV>_<GGSAA>_<EEEEE>[-seg<NNN>]_<detector>_<suffix>.<ext>``
- level 3: ``jw<PPPPP>-<o<OOO>|c<NNNN>>_<t<TTT>|s<N...>>_<instrument>_<elements>_<suffix>[-<activity>].<ext>``
- guide star: ``jw<PPPPP><OOO><VVV>_gs-<kind>_<...>_<suffix>.<ext>``

A name that follows none of them is classified by its extension.
"""

import re

import pandas as pd

from jwst_mast_assets.mast import tables

DETECTORS = (
    *(f"nrc{module}{chip}" for module in "ab" for chip in ("1", "2", "3", "4", "long")),
    *("guider1", "guider2", "nrs1", "nrs2", "mirimage", "mirifulong", "mirifushort", "nis"),
)
"""Every detector as file names spell it."""

SCAS = tuple(detector.removeprefix("nrc") for detector in DETECTORS)
"""The detectors as the parameter ``sca`` spells them: NIRCam's without their ``nrc``."""

SCA_ALIASES = {"a5": "along", "b5": "blong", "nrca5": "along", "nrcb5": "blong"}
SCA_ALIASES |= {detector: detector.removeprefix("nrc") for detector in DETECTORS if detector.startswith("nrc")}
"""Full names of NIRCam's detectors; its long-wave ones are its fifth."""

OBSNUM = re.compile(r"^jw\d{5}(?:(\d{3})\d{3}|-o(\d{3}))(?=[_.]|$)", re.IGNORECASE)
VISIT = re.compile(r"^jw\d{8}(\d{3})(?=[_.]|$)", re.IGNORECASE)
SCA = re.compile(rf"_(?:{'|'.join(sorted(DETECTORS, key=len, reverse=True))})(?=_|\.|$)")
COMPRESSED = r"(?:\.(?:gz|bz2|xz|zst|zip))?"
ENDING = re.compile(rf"(\.[a-z0-9]+{COMPRESSED})$", re.IGNORECASE)
FILETYPE = re.compile(rf"(_[a-z][a-z0-9]*(?:-[a-z0-9]+)*\.[a-z0-9]+{COMPRESSED})$", re.IGNORECASE)
"""The last word of a name with its extension; it may have hyphens (``_ami-oi.fits``). Exposure and segment numbers,
and time stamps, begin with a digit."""

WITHOUT_TYPE = re.compile(
    rf"jw(?:\d{{11}}_[0-9a-z]{{5}}_\d{{5}}(?:-seg\d{{3}})?_(?:{'|'.join(DETECTORS)})(?:_[oc]\d+)?"
    r"|\d{5}-[a-z]\d+_[a-z0-9-]+_(?:nircam|nirspec|niriss|miri|fgs)_[a-z0-9-]+)\.[a-z0-9.]+",
    re.IGNORECASE,
)
"""A name that ends with a detector, an association candidate or an optical element, and so has no type."""

NO_ENDING = "other"
"""The type of names with neither a type nor an extension."""

GUIDE_STAR = "_gs-"
SAFE_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,199}$")


def obsnum(names: pd.Series) -> pd.Series:
    """APT's observation number of observation or file names.

    Parameters
    ----------
    names : Series of str
        ``obs_id`` or ``productFilename`` values.

    Returns
    -------
    Series of Int64
        Missing if the name has none: a level-3 candidate of several observations (``-c1006_``).

    Examples
    --------
    >>> names = pd.Series(["jw01138004001_02101_00001_nrca1_uncal.fits", "jw02731-c1006_t017_nircam_clear-f090w"])
    >>> obsnum(names).tolist()
    [4, <NA>]
    """
    found = names.astype("string").str.extract(OBSNUM)
    return found[0].fillna(found[1]).astype("Int64")


def visit(names: pd.Series) -> pd.Series:
    """Visit number (``"001"``) of exposure names; missing for others. A Series of string."""
    return names.astype("string").str.extract(VISIT)[0]


def sca(names: pd.Series) -> pd.Series:
    """Detector of exposure names as the parameter ``sca`` spells it; missing for others. A Series of string."""
    found = names.astype("string").str.extract(f"({SCA.pattern})")[0]
    return found.str.removeprefix("_").str.removeprefix("nrc")


def filetype(names: pd.Series) -> pd.Series:
    """The file types of names, in lower case. A Series of string.

    The last ``_word.ext`` (``_uncal.fits``, ``_ami-oi.fits``); where there is none the ending (``.fits``,
    ``.fits.gz``); where there is no ending either, ``other``. Missing only where the name is missing.
    """
    names = names.astype("string")
    word = names.str.extract(FILETYPE)[0].mask(names.str.fullmatch(WITHOUT_TYPE))
    return word.fillna(names.str.extract(ENDING)[0]).fillna(NO_ENDING).str.lower().where(names.notna())


def is_guide_star(names: pd.Series) -> pd.Series:
    """Whether file names are guide-star products (``_gs-`` in the name). A Series of bool."""
    return tables.is_true(names.astype("string").str.contains(GUIDE_STAR, regex=False))


def is_safe(names: pd.Series) -> pd.Series:
    """Whether names that MAST sent may become file names here.

    Letters, digits and ``. _ + -``, at most 200 of them, beginning with a letter or digit: no path, no
    option, no hidden file, and room under the 255 bytes of common file systems for a partial download's
    own ending. A Series of bool.
    """
    return tables.is_true(names.astype("string").str.fullmatch(SAFE_NAME.pattern))


def proposal_key(proposal: int | str) -> str:
    """A proposal as partitions and folders spell it: five digits, padded (``"01138"``).

    Raises
    ------
    ValueError
        If it is not a proposal number from 1 to 99999.

    Examples
    --------
    >>> proposal_key(1138)
    '01138'
    """
    text = str(proposal).strip()
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 99999:
        raise ValueError(f"{proposal!r} is not a proposal number (1 to 99999)")
    return f"{int(text):05d}"
