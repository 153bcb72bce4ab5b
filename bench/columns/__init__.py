"""The columns of the table: one module each, all behind `Column`."""

from bench.columns.column import Column, Direct, Site
from bench.columns.litellm import LiteLLM
from bench.columns.nginx import Nginx
from bench.columns.portkey import Portkey
from bench.columns.puyun import Puyun

COLUMNS: dict[str, Column] = {column.name: column for column in (Direct(), Nginx(), Puyun(), LiteLLM(), Portkey())}

__all__ = ["COLUMNS", "Column", "Site"]
