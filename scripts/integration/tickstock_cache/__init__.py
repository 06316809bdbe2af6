"""tickstock-cache in Python applications.

`phase` runs the step in a daily processing, `blueprint` puts it behind HTTP, `subscriber` and `aio` follow its events,
and `mirror` writes the universes on into the tables of the public application. Importing one needs what it says there.
"""

__version__ = "1.0.0"
