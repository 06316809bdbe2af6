"""The old name of tickstock_cache.blueprint."""

import sys
import warnings

from tickstock_cache import blueprint

warnings.warn("cache_sync_blueprint is now tickstock_cache.blueprint; the old name will be removed", DeprecationWarning,
              stacklevel=2)
sys.modules[__name__] = blueprint
