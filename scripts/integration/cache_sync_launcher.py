"""The old name of tickstock_cache.launcher."""

import sys
import warnings

from tickstock_cache import launcher

warnings.warn("cache_sync_launcher is now tickstock_cache.launcher; the old name will be removed", DeprecationWarning,
              stacklevel=2)
sys.modules[__name__] = launcher
