"""One request of influxdb-client, fenced in: no redirect, no endless answer, no stranger's bytes.

Rule of this file: it sends and says what came back; what that means is decided
elsewhere. The client costs 30 MB: it is imported when the first request is made.
"""

from __future__ import annotations

import importlib
import ssl
from collections.abc import Callable
from http.client import HTTPException
from typing import Any

import msgspec

from netwatch.outlets.influx_answers import Answer

#: An answer to a write is empty or one line; of anything longer this much is read.
_BODY_BYTES = 4096


#: By the names of errors, for their modules are not imported here; the first that fits.
_SILENCES: tuple[tuple[frozenset[str], str], ...] = (
    (
        frozenset({"SSLError"}),
        "it does not speak TLS as we do: is it http:// rather than https://?",
    ),
    (
        frozenset({"NameResolutionError", "gaierror"}),
        "its name is not known: check the name, or this machine's resolver",
    ),
    (
        frozenset({"ConnectionRefusedError"}),
        "nothing listens there: start the server, or correct influx.url",
    ),
    (
        frozenset({"ConnectTimeoutError"}),
        "it cannot be reached (no answer in time): the points stay",
    ),
    (
        frozenset({"TimeoutError"}),
        "it did not answer in time: the points are sent again later",
    ),
    (
        frozenset({"LocationValueError"}),
        "that is no address: write it as https://HOST:8086 in influx.url",
    ),
)


class NoAnswer(Exception):
    """The request did not get an answer; the text says why and what would do."""


class _Plain(msgspec.Struct):
    """What the client wants of a response."""

    status: int
    reason: str
    headers: dict[str, str]
    data: bytes


class _Fence:
    """Stands where the client has its pool of connections (urllib3)."""

    def __init__(self, pool: Any, deadline_ms: int, monotonic_ms: Callable[[], int]) -> None:  # noqa: ANN401 - urllib3's, not imported here
        self._pool = pool
        self._deadline_ms = deadline_ms
        self._monotonic_ms = monotonic_ms
        self.last: Answer | None = None

    def request(self, method: str, url: str, **options: Any) -> _Plain:  # noqa: ANN401 - the client's own
        """The same request, of which little is read, for a limited time."""
        self.last = None
        end_ms = self._monotonic_ms() + self._deadline_ms
        response = self._pool.request(
            method,
            url,
            **{**options, "preload_content": False, "redirect": False, "retries": False},
        )
        headers = {name.lower(): value for name, value in response.headers.items()}
        data = b""
        try:
            while len(data) < _BODY_BYTES and self._monotonic_ms() < end_ms:
                piece = response.read1(_BODY_BYTES - len(data), decode_content=False)
                if not piece:
                    response.release_conn()
                    break
                data += piece
        finally:
            # Nothing for a connection that was given back; one with more to come is of no use.
            response.close()
        body = data.decode("utf-8", "replace")
        self.last = Answer(status=response.status, headers=headers, body=body)
        return _Plain(response.status, response.reason or "", headers, body.encode())

    def clear(self) -> None:
        self._pool.clear()


class InfluxConnection:
    """Writes bodies of line protocol to one bucket. For one thread; to be closed.

    ``timeouts_ms`` are those for connecting and for each silence afterwards;
    ``certificate_authority`` is a PEM file, None: the system's.
    """

    def __init__(
        self,
        *,
        url: str,
        org: str,
        bucket: str,
        token: str,
        timeouts_ms: tuple[int, int],
        monotonic_ms: Callable[[], int],
        certificate_authority: str | None = None,
    ) -> None:
        self._url = url
        self._org = org
        self._bucket = bucket
        self._token = token
        self._timeouts_ms = timeouts_ms
        self._monotonic_ms = monotonic_ms
        self._authority = certificate_authority
        self._client: Any = None  # influxdb_client.InfluxDBClient
        self._fence: _Fence | None = None

    def write(self, body: str) -> Answer:
        """Send lines and return the server's answer, whatever it is. Raises NoAnswer."""
        fence, client = self._open()
        api = importlib.import_module("influxdb_client.service.write_service")
        exceptions = importlib.import_module("influxdb_client.rest")
        transport = importlib.import_module("urllib3.exceptions")
        fence.last = None
        try:
            api.WriteService(client.api_client).post_write(
                org=self._org,
                bucket=self._bucket,
                body=body,
                precision="ns",
                content_encoding="gzip",  # as the client's own write does: it packs the body
            )
        except exceptions.ApiException as error:
            if fence.last is None:  # what the client makes of an error of TLS
                raise NoAnswer(explain_silence(self._url, error)) from None
        except (transport.HTTPError, OSError, HTTPException) as error:
            raise NoAnswer(explain_silence(self._url, error)) from None
        except ValueError as error:  # of addresses and headers that cannot be
            raise NoAnswer(f"{self._url}: it cannot be asked ({error}): check influx.url") from None
        assert fence.last is not None
        return fence.last

    def close(self) -> None:
        """Close the connection; the next write opens another."""
        client, self._client, self._fence = self._client, None, None
        if client is not None:
            client.close()

    def _open(self) -> tuple[_Fence, Any]:
        if self._client is not None and self._fence is not None:
            return self._fence, self._client
        try:
            module = importlib.import_module("influxdb_client")
        except ImportError as error:
            raise NoAnswer(
                f"{self._url}: influxdb-client is not installed ({error}): "
                "pip install 'netwatch[influx]'"
            ) from None
        client = module.InfluxDBClient(
            url=self._url,
            token=self._token,
            org=self._org,
            timeout=self._timeouts_ms,
            enable_gzip=True,
            ssl_ca_cert=self._authority,
        )
        rest = client.api_client.rest_client
        deadline_ms = sum(self._timeouts_ms)
        fence = _Fence(rest.pool_manager, deadline_ms, self._monotonic_ms)
        rest.pool_manager = fence
        self._client, self._fence = client, fence
        return fence, client


def explain_silence(url: str, error: BaseException) -> str:
    """Why there was no answer.

    >>> explain_silence("http://a", ConnectionRefusedError())
    'http://a: nothing listens there: start the server, or correct influx.url'
    """
    chain = _unfold(error)
    kinds = {kind.__name__ for each in chain for kind in type(each).__mro__}
    if any(isinstance(each, ssl.SSLCertVerificationError) for each in chain):
        found = next(each for each in chain if isinstance(each, ssl.SSLCertVerificationError))
        return (
            f"{url}: its certificate is refused ({found.verify_message}): renew it, or have this "
            "machine trust its authority"
        )
    for names, sentence in _SILENCES:
        if kinds & names:
            return f"{url}: {sentence}"
    unreachable = [each for each in chain if isinstance(each, OSError) and each.strerror]
    if unreachable and "NewConnectionError" in kinds:
        return f"{url}: it cannot be reached ({unreachable[-1].strerror}): the points stay"
    return f"{url}: the connection was cut before its answer: the points are sent again later"


def _unfold(error: BaseException) -> list[BaseException]:
    """An error with those that it was made from."""
    found: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting and len(found) < 20:
        each = waiting.pop(0)
        if not isinstance(each, BaseException) or each in found:
            continue
        found.append(each)
        waiting += [
            each.__cause__,
            each.__context__,
            getattr(each, "reason", None),
            getattr(each, "original_error", None),
            *each.args,
        ]
    return found
