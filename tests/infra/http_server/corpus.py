"""Requests as nobody should send them, each with what our server answers.

`NAME` in the bytes becomes the name of the case, `LEN` the length of HIDDEN. A request to
`/v1/hidden/NAME` stands where only a server that was fooled would look for one.
"""

from dataclasses import dataclass

HIDDEN = b"GET /v1/hidden/NAME HTTP/1.1\r\nHost: x\r\n\r\n"
GET = b"GET /v1/case/NAME HTTP/1.1\r\nHost: x\r\n"
POST = b"POST /v1/case/NAME HTTP/1.1\r\nHost: x\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


@dataclass(frozen=True)
class Case:
    """`statuses` of the answers, in order; none: the connection ends without one."""

    name: str
    sent: bytes
    statuses: tuple[int, ...] = (400,)

    @property
    def data(self) -> bytes:
        name = self.name.encode()
        hidden = len(HIDDEN.replace(b"NAME", name))
        return self.sent.replace(b"NAME", name).replace(b"LEN", b"%d" % hidden)


def _cases(kind: str, rows: dict[str, bytes | tuple[bytes, tuple[int, ...]]]) -> list[Case]:
    found = []
    for name, row in rows.items():
        sent, statuses = row if isinstance(row, tuple) else (row, (400,))
        found.append(Case(f"{kind}-{name}", sent, statuses))
    return found


OK = (200,)
TWO = (200, 200)

LINES = _cases(
    "line",
    {
        "bare-lf-everywhere": b"GET /v1/case/NAME HTTP/1.1\nHost: x\n\n",
        "bare-lf-after-request-line": b"GET /v1/case/NAME HTTP/1.1\nHost: x\r\n\r\n",
        "bare-lf-after-header": GET + b"A: 1\nB: 2\r\n\r\n",
        "bare-lf-at-the-end": GET + b"A: 1\r\n\n",
        "bare-cr-after-header": GET + b"A: 1\rB: 2\r\n\r\n",
        "bare-cr-in-value": GET + b"A: 1\r 2\r\n\r\n",
        "cr-cr-lf": GET + b"A: 1\r\r\n\r\n",
        "folded": GET + b"A: 1\r\n 2\r\n\r\n",
        "folded-with-tab": GET + b"A: 1\r\n\t2\r\n\r\n",
        "folded-first": b"GET /v1/case/NAME HTTP/1.1\r\n Host: x\r\n\r\n",
        "folded-length": POST + b"Content-Length:\r\n 5\r\n\r\nhello",
        "hidden-behind-lf": GET + b"A: 1\n\n" + HIDDEN,
        "empty-lines-before": (b"\r\n\r\n" + GET + b"\r\n", OK),
        "space-before": b" " + GET + b"\r\n",
        "nothing-but-lines": (b"\r\n" * 50, ()),
    },
)
REQUEST_LINES = _cases(
    "request",
    {
        "no-version": b"GET /v1/case/NAME\r\n\r\n",
        "version-0-9": b"GET /v1/case/NAME HTTP/0.9\r\nHost: x\r\n\r\n",
        "version-1-2": b"GET /v1/case/NAME HTTP/1.2\r\nHost: x\r\n\r\n",
        "version-1-10": b"GET /v1/case/NAME HTTP/1.10\r\nHost: x\r\n\r\n",
        "version-2": b"GET /v1/case/NAME HTTP/2.0\r\nHost: x\r\n\r\n",
        "version-3": b"GET /v1/case/NAME HTTP/3.0\r\nHost: x\r\n\r\n",
        "version-lower-case": b"GET /v1/case/NAME http/1.1\r\nHost: x\r\n\r\n",
        "version-of-nothing": b"GET /v1/case/NAME XTTP/1.1\r\nHost: x\r\n\r\n",
        "preface-of-http-2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "tls-hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        "not-http": b"hello there\r\n\r\n",
        "method-lower-case": b"get /v1/case/NAME HTTP/1.1\r\nHost: x\r\n\r\n",
        "method-unknown": b"BREW /v1/case/NAME HTTP/1.1\r\nHost: x\r\n\r\n",
        "method-with-null": b"G\0T /v1/case/NAME HTTP/1.1\r\nHost: x\r\n\r\n",
        "connect": b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n" + HIDDEN,
        "tab-for-space": b"GET\t/v1/case/NAME\tHTTP/1.1\r\nHost: x\r\n\r\n",
        "space-in-target": b"GET /v1/case/NAME y HTTP/1.1\r\nHost: x\r\n\r\n",
        "space-at-the-end": b"GET /v1/case/NAME HTTP/1.1 \r\nHost: x\r\n\r\n",
        "null-in-target": b"GET /v1/case/NAME\0 HTTP/1.1\r\nHost: x\r\n\r\n",
        "control-in-target": b"GET /v1/case/NAME\x01 HTTP/1.1\r\nHost: x\r\n\r\n",
        "tab-in-target": b"GET /v1/case/\tNAME HTTP/1.1\r\nHost: x\r\n\r\n",
        "delete-in-target": b"GET /v1/case/NAME\x7f HTTP/1.1\r\nHost: x\r\n\r\n",
        "eight-bit-in-target": b"GET /v1/case/NAME\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        "fragment": b"GET /v1/case/NAME#hidden HTTP/1.1\r\nHost: x\r\n\r\n",
        "asterisk": b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
        "no-slash": b"GET v1/case/NAME HTTP/1.1\r\nHost: x\r\n\r\n",
        "no-target": b"GET HTTP/1.1\r\nHost: x\r\n\r\n",
        "absolute": (b"GET http://x/v1/case/NAME HTTP/1.1\r\nHost: x\r\n\r\n", OK),
        "absolute-other-host": b"GET http://y/v1/case/NAME HTTP/1.1\r\nHost: x\r\n\r\n",
        "absolute-user": b"GET http://u@x/v1/case/NAME HTTP/1.1\r\nHost: x\r\n\r\n",
        "absolute-ftp": b"GET ftp://x/v1/case/NAME HTTP/1.1\r\nHost: x\r\n\r\n",
        "target-too-long": b"GET /v1/case/NAME?" + b"a" * 9_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        "percent": (b"GET /v1/%63ase/NAME HTTP/1.1\r\nHost: x\r\n\r\n", OK),
        "percent-of-nothing": (b"GET /v1/%zz/NAME HTTP/1.1\r\nHost: x\r\n\r\n", OK),
        "rtsp": b"DESCRIBE /v1/case/NAME RTSP/1.1\r\n\r\n",
        "http-1-0": (b"GET /v1/case/NAME HTTP/1.0\r\n\r\n", OK),
        "http-1-0-and-more": (b"GET /v1/case/NAME HTTP/1.0\r\n\r\n" + HIDDEN, OK),
        "http-1-0-kept-alive": (
            b"GET /v1/case/NAME HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + HIDDEN,
            OK,
        ),
    },
)
HEADERS = _cases(
    "header",
    {
        "no-host": b"GET /v1/case/NAME HTTP/1.1\r\n\r\n",
        "empty-host": b"GET /v1/case/NAME HTTP/1.1\r\nHost:\r\n\r\n",
        "two-hosts": GET + b"Host: y\r\n\r\n",
        "two-equal-hosts": GET + b"Host: x\r\n\r\n",
        "host-with-slash": b"GET /v1/case/NAME HTTP/1.1\r\nHost: x/y\r\n\r\n",
        "host-with-user": b"GET /v1/case/NAME HTTP/1.1\r\nHost: u@x\r\n\r\n",
        "host-with-space": b"GET /v1/case/NAME HTTP/1.1\r\nHost: x y\r\n\r\n",
        "host-list": b"GET /v1/case/NAME HTTP/1.1\r\nHost: x, y\r\n\r\n",
        "host-bad-port": b"GET /v1/case/NAME HTTP/1.1\r\nHost: x:80a\r\n\r\n",
        "host-of-ipv6": (b"GET /v1/case/NAME HTTP/1.1\r\nHost: [::1]:8443\r\n\r\n", OK),
        "no-colon": GET + b"A\r\n\r\n",
        "no-name": GET + b": 1\r\n\r\n",
        "space-before-colon": GET + b"A : 1\r\n\r\n",
        "space-before-length-colon": POST + b"Content-Length : 5\r\n\r\nhello",
        "name-with-null": GET + b"A\0B: 1\r\n\r\n",
        "name-with-parenthesis": GET + b"A(B): 1\r\n\r\n",
        "name-eight-bit": GET + b"A\xe9: 1\r\n\r\n",
        "value-with-null": GET + b"A: 1\x002\r\n\r\n",
        "value-with-control": GET + b"A: 1\x012\r\n\r\n",
        "value-with-delete": GET + b"A: 1\x7f2\r\n\r\n",
        "value-with-vertical-tab": GET + b"A: \x0b1\r\n\r\n",
        "value-eight-bit": (GET + b"A: caf\xc3\xa9\r\n\r\n", OK),
        "empty-value": (GET + b"A:\r\n\r\n", OK),
        "two-authorizations": GET
        + b"Authorization: Basic YQ==\r\nauthorization: Basic Yg==\r\n\r\n",
        "two-content-types": POST + b"Content-Type: a/b\r\nContent-Type: c/d\r\n\r\n",
        "underscore": (GET + b"X_Real_IP: 10.0.0.1\r\n\r\n", OK),
        "underscore-length": (GET + b"Content_Length: 5\r\n\r\n", OK),
        "underscore-coding": (POST + b"Transfer_Encoding: chunked\r\n\r\n", OK),
        "too-many": GET + b"".join(b"A%d: 1\r\n" % n for n in range(101)) + b"\r\n",
        "too-many-equal": GET + b"A: 1\r\n" * 120 + b"\r\n",
        "hundred-thousand-bytes": GET + b"A: " + b"a" * 100_000 + b"\r\n\r\n",
        "hundred-thousand-bytes-of-name": GET + b"a" * 100_000 + b": 1\r\n\r\n",
        "forty-thousand-bytes-in-lines": GET
        + b"".join(b"A%d: %b\r\n" % (n, b"a" * 500) for n in range(80))
        + b"\r\n",
        "odd-expectation": POST + b"Expect: magic\r\nContent-Length: 0\r\n\r\n",
        "upgrade": (GET + b"Connection: upgrade\r\nUpgrade: h2c\r\n\r\n" + HIDDEN, OK),
        "upgrade-with-body": (
            POST + b"Connection: upgrade\r\nUpgrade: x\r\nContent-Length: 5\r\n\r\nhello" + HIDDEN,
            OK,
        ),
        "close-and-more": (GET + b"Connection: close\r\n\r\n" + HIDDEN, OK),
        "close-in-list-and-more": (GET + b"Connection: x, close\r\n\r\n" + HIDDEN, OK),
    },
)
LENGTHS = _cases(
    "length",
    {
        "two-different": POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        "two-equal": POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        "two-in-other-case": POST + b"Content-Length: 0\r\ncontent-length: 44\r\n\r\n" + HIDDEN,
        "list": POST + b"Content-Length: 5, 5\r\n\r\nhello",
        "plus": POST + b"Content-Length: +5\r\n\r\nhello",
        "minus": POST + b"Content-Length: -5\r\n\r\nhello",
        "underscore-in-number": POST + b"Content-Length: 1_0\r\n\r\nhellohello",
        "hexadecimal": POST + b"Content-Length: 0x5\r\n\r\nhello",
        "two-words": POST + b"Content-Length: 5 5\r\n\r\nhello",
        "letters": POST + b"Content-Length: five\r\n\r\nhello",
        "decimal": POST + b"Content-Length: 5.0\r\n\r\nhello",
        "empty": POST + b"Content-Length:\r\n\r\nhello",
        "eight-bit-digits": POST + b"Content-Length: \xb2\r\n\r\nhello",
        "overflow": POST + b"Content-Length: 18446744073709551621\r\n\r\nhello",
        "far-too-large": (POST + b"Content-Length: 99999999\r\n\r\nhello", (413,)),
        "leading-zeros": (POST + b"Content-Length: 0005\r\n\r\nhello", OK),
        "spaces-round": (POST + b"Content-Length: \t5 \r\n\r\nhello", OK),
        "body-of-a-get": (GET + b"Content-Length: 5\r\n\r\nhello", OK),
        "hidden-in-body": (POST + b"Content-Length: LEN\r\n\r\n" + HIDDEN, OK),
        "too-short-for-body": (POST + b"Content-Length: 4\r\n\r\nhello", (200, 400)),
        "never-complete": (POST + b"Content-Length: 50\r\n\r\nhello", ()),
    },
)
CODINGS = _cases(
    "coding",
    {
        "with-length": POST
        + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
        + END
        + HIDDEN,
        "before-length": POST
        + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"
        + END
        + HIDDEN,
        "twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" + END,
        "identity-then-chunked": POST
        + b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n"
        + END,
        "gzip-chunked": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + END,
        "chunked-gzip": POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n" + END,
        "chunked-chunked": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n" + END,
        "identity": POST + b"Transfer-Encoding: identity\r\n\r\n" + HIDDEN,
        "unknown": POST + b"Transfer-Encoding: xchunked\r\n\r\n" + END,
        "comma": POST + b"Transfer-Encoding: ,chunked\r\n\r\n" + END,
        "comma-behind": POST + b"Transfer-Encoding: chunked,\r\n\r\n" + END,
        "quoted": POST + b'Transfer-Encoding: "chunked"\r\n\r\n' + END,
        "parameter": POST + b"Transfer-Encoding: chunked;q=1\r\n\r\n" + END,
        "vertical-tab": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n" + END,
        "empty": POST + b"Transfer-Encoding:\r\n\r\n" + END,
        "folded": POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n" + END,
        "space-before-colon": POST + b"Transfer-Encoding : chunked\r\n\r\n" + END + HIDDEN,
        "http-1-0": b"POST /v1/case/NAME HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" + END,
        "upper-case": (POST + b"TRANSFER-ENCODING: CHUNKED\r\n\r\n" + END, OK),
    },
)
CHUNKS = _cases(
    "chunk",
    {
        "plain": (CHUNKED + b"5\r\nhello\r\n" + END, OK),
        "two-requests": (CHUNKED + b"5\r\nhello\r\n" + END + GET + b"\r\n", TWO),
        "upper-case-size": (CHUNKED + b"A\r\nhellohello\r\n" + END, OK),
        "extension": (CHUNKED + b'5;a=b;c="d"\r\nhello\r\n' + END, OK),
        "zeros-before-size": (CHUNKED + b"0005\r\nhello\r\n" + END, OK),
        "trailer": (CHUNKED + b"5\r\nhello\r\n0\r\nA: 1\r\n\r\n", OK),
        "bad-trailer": CHUNKED + b"5\r\nhello\r\n0\r\nA 1\r\n\r\n",
        "length-in-trailer": CHUNKED + b"5\r\nhello\r\n0\r\nContent-Length: 44\r\n\r\n" + HIDDEN,
        "size-with-prefix": CHUNKED + b"0x5\r\nhello\r\n" + END,
        "size-with-plus": CHUNKED + b"+5\r\nhello\r\n" + END,
        "size-negative": CHUNKED + b"-5\r\nhello\r\n" + END,
        "size-with-space": CHUNKED + b"5 \r\nhello\r\n" + END,
        "size-after-space": CHUNKED + b" 5\r\nhello\r\n" + END,
        "size-with-underscore": CHUNKED + b"0_5\r\nhello\r\n" + END,
        "size-empty": CHUNKED + b"\r\nhello\r\n" + END,
        "size-overflow": CHUNKED + b"fffffffffffffffff5\r\nhello\r\n" + END,
        "size-lf": CHUNKED + b"5\nhello\r\n" + END + HIDDEN,
        "size-cr": CHUNKED + b"5\rhello\r\n" + END,
        "extension-with-lf": CHUNKED + b"5;a\nb\r\nhello\r\n" + END + HIDDEN,
        "extension-with-cr": CHUNKED + b"5;a\rb\r\nhello\r\n" + END,
        "extension-with-null": CHUNKED + b"5;a=\0\r\nhello\r\n" + END,
        "data-with-lf": CHUNKED + b"5\r\nhello\n" + END + HIDDEN,
        "data-too-long": CHUNKED + b"5\r\nhelloXX\r\n" + END + HIDDEN,
        "data-too-short": CHUNKED + b"9\r\nhello\r\n" + END + HIDDEN,
        "end-with-lf": CHUNKED + b"5\r\nhello\r\n0\n\n" + HIDDEN,
        "end-half-lf": CHUNKED + b"5\r\nhello\r\n0\r\n\n" + HIDDEN,
        "end-with-cr": CHUNKED + b"5\r\nhello\r\n0\r\n\rX" + HIDDEN,
        "endless-extension": CHUNKED + b"5;" + b"a" * 200_000,
        "endless-trailer": CHUNKED + b"5\r\nhello\r\n0\r\nA: " + b"a" * 200_000,
        "never-complete": (CHUNKED + b"5\r\nhello\r\n", ()),
    },
)
SEVERAL = _cases(
    "several",
    {
        "two": ((GET + b"\r\n") * 2, TWO),
        "second-is-broken": (GET + b"\r\n" + b"GET\r\n\r\n" + HIDDEN, (200, 400)),
        "second-without-host": (
            GET + b"\r\n" + b"GET /v1/hidden/NAME HTTP/1.1\r\n\r\n",
            (200, 400),
        ),
        "post-then-get": (POST + b"Content-Length: 5\r\n\r\nhello" + GET + b"\r\n", TWO),
        "second-is-half": (GET + b"\r\n" + GET, OK),
        "hidden-body-then-get": (
            POST + b"Content-Length: LEN\r\n\r\n" + HIDDEN + GET + b"\r\n",
            TWO,
        ),
    },
)
CASES = [*LINES, *REQUEST_LINES, *HEADERS, *LENGTHS, *CODINGS, *CHUNKS, *SEVERAL]
