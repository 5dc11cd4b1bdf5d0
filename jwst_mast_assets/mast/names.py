"""What the names of JWST files and observations mean.

The schemes are those of the JWST pipeline documentation ("File Naming Schemes"):

- exposure: ``jw<PPPPP><OOO><VVV>_<GGSAA>_<EEEEE>[-seg<NNN>]_<detector>_<suffix>.<ext>``
- level 3: ``jw<PPPPP>-<o<OOO>|c<NNNN>>_<t<TTT>|s<N...>>_<instrument>_<elements>_<suffix>[-<activity>].<ext>``
- guide star: ``jw<PPPPP><OOO><VVV>_gs-<kind>_<...>_<suffix>.<ext>``

A name that follows none of them is classified by its extension.
"""

import re
from typing import TYPE_CHECKING

from jwst_mast_assets.mast.lazily import Lazily
from jwst_mast_assets.mast.patterns import extract, found

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = Lazily("pandas")

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

OBSNUM_PATTERNS = (r"^jw\d{5}(\d{3})\d{3}(?:[_.]|$)", r"^jw\d{5}-o(\d{3})(?:[_.]|$)")
VISIT = r"^jw\d{8}(\d{3})(?:[_.]|$)"
SCA = rf"_({'|'.join(sorted(DETECTORS, key=len, reverse=True))})(?:_|\.|$)"
COMPRESSED = r"(?:\.(?:gz|bz2|xz|zst|zip))?"
ENDING = re.compile(rf"(\.[a-z0-9]+{COMPRESSED})$", re.IGNORECASE)
FILETYPE = rf"(_[a-z][a-z0-9]*(?:-[a-z0-9]+)*\.[a-z0-9]+{COMPRESSED})$"
"""The last word of a name with its extension; it may have hyphens (``_ami-oi.fits``). Exposure and segment numbers,
and time stamps, begin with a digit."""

WITHOUT_TYPE = (
    rf"^jw(?:\d{{11}}_[0-9a-z]{{5}}_\d{{5}}(?:-seg\d{{3}})?_(?:{'|'.join(DETECTORS)})(?:_[oc]\d+)?"
    r"|\d{5}-[a-z]\d+_[a-z0-9-]+_(?:nircam|nirspec|niriss|miri|fgs)_[a-z0-9-]+)\.[a-z0-9.]+$"
)
"""A name that ends with a detector, an association candidate or an optical element, and so has no type."""

NO_ENDING = "other"
"""The type of names with neither a type nor an extension."""

GUIDE_STAR = "_gs-"
SAFE_NAME = r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,199}$"


def obsnum(names: "pd.Series") -> "pd.Series":
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
    return extract(names, *OBSNUM_PATTERNS, ignore_case=True).astype("Int64")


def visit(names: "pd.Series") -> "pd.Series":
    """Visit number (``"001"``) of exposure names; missing for others. A Series of string."""
    return extract(names, VISIT, ignore_case=True)


def sca(names: "pd.Series") -> "pd.Series":
    """Detector of exposure names as the parameter ``sca`` spells it; missing for others. A Series of string."""
    return extract(names, SCA).str.removeprefix("nrc")


def filetype(names: "pd.Series") -> "pd.Series":
    """The file types of names, in lower case. A Series of string.

    The last ``_word.ext`` (``_uncal.fits``, ``_ami-oi.fits``); where there is none the ending (``.fits``,
    ``.fits.gz``); where there is no ending either, ``other``. Missing only where the name is missing.
    """
    word = extract(names, FILETYPE, ignore_case=True).mask(found(names, WITHOUT_TYPE, ignore_case=True))
    ending = extract(names, ENDING.pattern, ignore_case=True)
    return word.fillna(ending).fillna(NO_ENDING).str.lower().where(names.notna())


def is_guide_star(names: "pd.Series") -> "pd.Series":
    """Whether file names are guide-star products (``_gs-`` in the name). A Series of bool."""
    return found(names, GUIDE_STAR)


def is_safe(names: "pd.Series") -> "pd.Series":
    """Whether names that MAST sent may become file names here.

    Letters, digits and ``. _ + -``, at most 200 of them, beginning with a letter or digit: no path, no
    option, no hidden file, and room under the 255 bytes of common file systems for a partial download's
    own ending. A Series of bool.
    """
    return found(names, SAFE_NAME)


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
