"""How programs and observations are declared; what follows from a declaration is made in `assembly`."""

from dataclasses import dataclass, field

HOUR = 1 / 24
LAST_REPROCESSING = 60830.56


@dataclass(frozen=True)
class Program:
    """An approved proposal.

    Parameters
    ----------
    number : int
    title, pi : str
    category : str
        E.g. ``GO``, ``COM``, ``CAL``.
    padded : bool
        Whether its rows say ``02731`` rather than ``2731``: both are found in the archive.
    """

    number: int
    title: str
    pi: str
    category: str = "GO"
    padded: bool = False

    @property
    def proposal_id(self) -> str:
        """The text in the ``proposal_id`` column."""
        return f"{self.number:05d}" if self.padded else str(self.number)


@dataclass(frozen=True)
class Observation:
    """Exposures that were taken one after the other with one setting.

    Parameters
    ----------
    program, obsnum, visit : int
    start : float
        Start of the first exposure, MJD (UTC).
    detectors : tuple of str
        As in file names, e.g. ``nrca1``, ``mirimage``.
    exposures, segments : int
        Exposures for each detector; segments for each exposure of a time series, 0 for none.
    activity : str
        Visit group, parallel sequence and activity, e.g. ``02101`` or ``0310b``.
    instrument_name : str
        As in the observations' table, e.g. ``NIRCAM/IMAGE`` or plain ``NIRCAM``.
    filter, pupil, target, exposure_type, template : str
    ra, dec : float
        Degrees.
    exposure_time, cadence : float
        Length of an exposure and time from start to start, seconds.
    listed : str
        ``exposures``: each exposure has a row; ``level3``: one row for all, members have none; ``both``;
        ``candidate``: only a `Candidate` lists it.
    target_number : str
        Of the level-3 name, e.g. ``t017``.
    sources : tuple of int or str
        Level-3 rows by source, for multi-object spectroscopy: numbers (``s000277193``), or as the name spells them
        (``b000000021``, ``t002-s000000001``).
    suffixes : tuple of str
        File types of an exposure, e.g. ``uncal.fits``.
    level3_suffixes : tuple of str
    release : float, optional
        When the exclusive access ends, MJD; one in the past is of a file already released.
    exclusive : bool
    obsids : dict
        ``obsid`` by ``obs_id``, where it is known; others are made from the name.
    sizes : dict
        Bytes by file type (e.g. ``{"uncal.fits": 2_000_000_000}``), instead of the usual ones.
    guide_stars : bool
    more_files : tuple of str
        Whole names of further files of its first exposure, which may follow no scheme.
    """

    program: int
    obsnum: int
    start: float
    detectors: tuple[str, ...]
    exposures: int = 1
    visit: int = 1
    segments: int = 0
    activity: str = "02101"
    instrument_name: str = "NIRCAM/IMAGE"
    filter: str = "F150W"
    pupil: str = "CLEAR"
    target: str = "LMC-ASTROMETRIC-FIELD"
    exposure_type: str = "NRC_IMAGE"
    template: str = "NIRCam Imaging"
    ra: float = 80.4875
    dec: float = -69.4975
    exposure_time: float = 161.052
    cadence: float = 420.0
    listed: str = "exposures"
    target_number: str = "t001"
    sources: tuple[int | str, ...] = ()
    suffixes: tuple[str, ...] = (
        "uncal.fits", "uncal.jpg", "rate.fits", "rate.jpg", "cal.fits", "cal.jpg", "i2d.fits", "i2d.jpg", "thumb.jpg",
    )  # fmt: skip
    level3_suffixes: tuple[str, ...] = ("i2d.fits", "i2d.jpg", "thumb.jpg", "segm.fits", "cat.ecsv")
    release: float | None = None
    exclusive: bool = False
    obsids: dict[str, int] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    guide_stars: bool = True
    more_files: tuple[str, ...] = ()

    @property
    def processed(self) -> float:
        """When its files came into the archive, MJD: the last reprocessing, or two hours after they were taken."""
        return max(LAST_REPROCESSING, self.start + 2 * HOUR)

    @property
    def public_from(self) -> float:
        """When its files are or were released, MJD; a year after the start if it is exclusive and nothing is said."""
        if self.release is not None:
            return self.release
        return self.start + (365 if self.exclusive else 0)


@dataclass(frozen=True)
class Candidate:
    """A level-3 product made of several observations, named ``-c1006``.

    Parameters
    ----------
    program, number : int
    obsnums : tuple of int
        The observations whose exposures it is made of.
    filter : str
        Only exposures taken with it.
    """

    program: int
    number: int
    obsnums: tuple[int, ...]
    filter: str


@dataclass(frozen=True)
class Planned:
    """Exposures in the plan that have not been taken: calibration level -1, no times.

    Parameters
    ----------
    program, obsnum, count : int
    instrument_name, target, filter : str
    ra, dec : float
        Degrees.
    """

    program: int
    obsnum: int
    count: int
    instrument_name: str
    target: str
    filter: str
    ra: float
    dec: float


Declared = Observation | Candidate | Planned
