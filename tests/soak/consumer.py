"""One consumer as a process of its own: it writes the id of each event that it has processed into a file.

    consumer.py group NAME    a consumer of the group on the stream
    consumer.py cursor NAME   a consumer of the outbox

The file is FOLDER/NAME. REDIS_URL and DATABASE_URL say where the events are.
"""

import logging
import os
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts" / "integration"))

from tickstock_cache.subscriber import CursorSubscriber, Event, FileCursor, StreamSubscriber  # noqa: E402

GROUP = "soak"
# Short, so that a soak needn't wait long for what a killed consumer has left.
CLAIM_SECONDS = 2.0
POLL_SECONDS = 2.0
# An application takes a while to process an event, so a kill finds it at work.
WORK_SECONDS = 0.02


def main() -> int:
    kind, name = sys.argv[1:]
    folder = Path(os.environ["FOLDER"])
    redis_url, database_url = os.environ["REDIS_URL"], os.environ["DATABASE_URL"]
    logging.basicConfig(format="%(asctime)s %(message)s")
    # One write per line: a kill leaves it complete, or absent.
    file = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(line: str) -> None:
        os.write(file, f"{line}\n".encode())

    def on_event(_: str, event: Event) -> None:
        time.sleep(random.uniform(0, WORK_SECONDS))
        write(event["event_id"])
        time.sleep(random.uniform(0, WORK_SECONDS))

    def on_universe(_: str, __: Event) -> None:
        pass

    def on_refresh(reason: str) -> None:
        write(f"! {reason}")

    if kind == "group":
        group = StreamSubscriber(redis_url, on_universe, on_refresh, on_event, group=GROUP, consumer=name, start="0",
                                 claim_after=CLAIM_SECONDS, outbox=database_url)
        group.run()
    else:
        cursor = CursorSubscriber(database_url, on_universe, on_refresh, on_event,
                                  cursor=FileCursor(folder / f"{name}.cursor"), redis=redis_url, start=0,
                                  poll=POLL_SECONDS)
        cursor.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
