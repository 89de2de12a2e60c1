"""What ships, loaded once in a process for all tests that draw it."""

from __future__ import annotations

from functools import cache

from archc import api

load = cache(api.load)
