"""Brings gateways' callbacks to us, as bad post does: late, often, damaged, never."""

import heapq
import threading
import time
from collections import Counter
from urllib.parse import urlsplit

import urllib3

from tests.chaos.weather import Known, bringing, draw
from tests.gateways.raw_server import RawServer, answer, read_request

LATE_S = 4.0
CARRIERS = 8
COPIES = {"twice": 2, "thrice": 3}
NOT_CARRIED = frozenset({"host", "content-length", "connection", "accept-encoding"})


class Post:
    """Takes callbacks over HTTP and carries them to `target` over TLS."""

    def __init__(self, target: str, seed: int, known: Known) -> None:
        """Begin to listen; `target` is our base URL."""
        self.brought: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self._target, self._seed, self._known = target, seed, known
        self._pool = urllib3.PoolManager(retries=False)
        self._letters: list[tuple[float, int, str, dict[str, str], bytes]] = []
        self._news = threading.Condition()
        self._number = 0
        self._server = RawServer(self._behave)
        self.url = self._server.url
        for _ in range(CARRIERS):
            threading.Thread(target=self._carry, daemon=True).start()

    def trust(self, ca_file: str) -> None:
        """Take the authority of our door; nothing is carried before."""
        self._pool = urllib3.PoolManager(ca_certs=ca_file, maxsize=CARRIERS, retries=False)

    def close(self) -> None:
        """Take nothing in any more."""
        self._server.__exit__()

    @property
    def waiting(self) -> int:
        """How many letters are under way."""
        with self._news:
            return len(self._letters)

    def _behave(self, connection, _):
        while request := read_request(connection):
            if self._take_in(request):
                connection.sendall(answer(b"{}", "200 OK"))
            else:
                connection.sendall(answer(b"{}", "503 Service Unavailable"))

    def _take_in(self, request: bytes) -> bool:
        head, _, body = request.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        path = urlsplit(first.split(" ")[1]).path
        pairs = [line.split(":", 1) for line in lines]
        headers = {k.strip(): v.strip() for k, v in pairs if k.strip().lower() not in NOT_CARRIED}
        number = self._known.number(body)
        ordinal = self._known.count(number, "callback") if number is not None else 0
        how = "once" if number is None else bringing(self._seed, number, ordinal)
        self.brought[how] += 1
        if how == "refused":
            return False
        if how == "never":
            return True
        late_s = 0.0
        if how == "late":
            late_s = LATE_S * draw(self._seed, number, "late", ordinal).random()
        if how == "damaged":
            self._put(0.0, path, headers, body.replace(b"00", b"01", 1))
        for _ in range(COPIES.get(how, 1)):
            self._put(late_s, path, headers, body)
        return True

    def _put(self, late_s: float, path: str, headers: dict[str, str], body: bytes) -> None:
        with self._news:
            self._number += 1
            due = time.monotonic() + late_s
            heapq.heappush(self._letters, (due, self._number, path, headers, body))
            self._news.notify()

    def _carry(self) -> None:
        while True:
            with self._news:
                while not self._letters or self._letters[0][0] > time.monotonic():
                    soon = self._letters[0][0] - time.monotonic() if self._letters else None
                    self._news.wait(soon)
                _, _, path, headers, body = heapq.heappop(self._letters)
            self._bring(path, headers, body)

    def _bring(self, path: str, headers: dict[str, str], body: bytes) -> None:
        """Deliver; as a gateway does, again until it is taken or refused as forged."""
        for _ in range(20):
            try:
                reply = self._pool.request("POST", self._target + path, body=body, headers=headers)
            except urllib3.exceptions.HTTPError:
                time.sleep(0.2)
                continue
            self.statuses[reply.status] += 1
            if reply.status < 500 and reply.status != 429:
                return
            time.sleep(0.2)
