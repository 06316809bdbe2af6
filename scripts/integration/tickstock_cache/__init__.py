"""tickstock-cache in Python applications.

`phase` runs the step as part of a daily processing, `blueprint` offers it over HTTP, `subscriber` and `aio` follow its
events, and `mirror` copies the universes into the tables of the public application. Each module names its own
requirements.
"""

__version__ = "1.0.0"
