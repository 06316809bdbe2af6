"""A proxy on loopback that delays traffic, as a network between two machines would, and counts round trips."""

import collections
import selectors
import socket
import threading
import time
from types import TracebackType


class Proxy:
    """Listens on a free port, and forwards everything to a server's Unix socket, half a round trip later in each
    direction.

    Bytes in transit do not delay each other: only waiting for an answer takes longer. A round trip is something that
    the server sends after the client has sent something.
    """

    def __init__(self, server: str, rtt_ms: float) -> None:
        self._server = server
        self._delay = rtt_ms / 2000
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.round_trips = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> "Proxy":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        # Connecting costs a round trip itself.
        time.sleep(2 * self._delay)
        server = socket.socket(socket.AF_UNIX)
        server.connect(self._server)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with selectors.DefaultSelector() as selector, client, server:
            selector.register(client, selectors.EVENT_READ, server)
            selector.register(server, selectors.EVENT_READ, client)
            self._pass_on(client, selector)

    def _pass_on(self, client: socket.socket, selector: selectors.BaseSelector) -> None:
        on_their_way: collections.deque[tuple[float, socket.socket, bytes]] = collections.deque()
        asked = False
        while True:
            wait = None if not on_their_way else max(0.0, on_their_way[0][0] - time.monotonic())
            for key, _ in selector.select(wait):
                source = key.fileobj
                assert isinstance(source, socket.socket)
                data = source.recv(1 << 20)
                on_their_way.append((time.monotonic() + self._delay, key.data, data))
                if not data:
                    selector.unregister(source)
                elif source is client:
                    asked = True
                elif asked:
                    asked = False
                    self.round_trips += 1
            while on_their_way and on_their_way[0][0] <= time.monotonic():
                _, target, data = on_their_way.popleft()
                if not data:
                    return
                target.sendall(data)
