"""The page per proposal: what there is, what is missing, and how it looks, in one file that opens from disk.

It knows tables and files, but neither MAST nor Dagster.
"""

from jwst_mast_assets.webpage.page import Page, write_page

__all__ = ["Page", "write_page"]
