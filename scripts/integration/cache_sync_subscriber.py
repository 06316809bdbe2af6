"""The old name of tickstock_cache.subscriber, also as a program."""

import sys
import warnings

from tickstock_cache import subscriber

if __name__ == "__main__":
    sys.exit(subscriber.main())
warnings.warn("cache_sync_subscriber is now tickstock_cache.subscriber; the old name will be removed",
              DeprecationWarning, stacklevel=2)
sys.modules[__name__] = subscriber
