"""The old name of tickstock_cache.program."""

import sys
import warnings

from tickstock_cache import program

warnings.warn("cache_sync_program is now tickstock_cache.program; the old name will be removed", DeprecationWarning,
              stacklevel=2)
sys.modules[__name__] = program
