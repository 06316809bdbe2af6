"""The old name of tickstock_cache.phase."""

import sys
import warnings

from tickstock_cache import phase

warnings.warn("cache_sync_phase is now tickstock_cache.phase; the old name will be removed", DeprecationWarning,
              stacklevel=2)
sys.modules[__name__] = phase
