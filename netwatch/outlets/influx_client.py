"""One request of influxdb-client, fenced in: no redirect, no endless answer, no stranger's bytes.

Rule of this file: it sends and says what came back; what that means is decided
elsewhere. The client costs 30 MB: it is imported when the first request is made.
"""

from __future__ import annotations

import importlib
import ssl
from collections.abc import Callable, Mapping
from http.client import HTTPException
from typing import Any

import msgspec

from netwatch.outlets.influx_answers import Answer
from netwatch.records import PushProblem, PushReason

#: An answer to a write is empty or one line; of anything longer this much is read.
_BODY_BYTES = 4096


#: By the names of errors, for their modules are not imported here; the first that fits.
_SILENCES: tuple[tuple[frozenset[str], PushReason], ...] = (
    (frozenset({"SSLError"}), PushReason.TLS),
    (frozenset({"NameResolutionError", "gaierror"}), PushReason.UNKNOWN_NAME),
    (frozenset({"ConnectionRefusedError"}), PushReason.CONNECTION_REFUSED),
    (frozenset({"ConnectTimeoutError"}), PushReason.UNREACHABLE),
    (frozenset({"TimeoutError"}), PushReason.TIMEOUT),
    (frozenset({"LocationValueError"}), PushReason.URL),
)
#: OpenSSL's numbers of what is wrong with a certificate (x509_vfy.h).
_CERTIFICATES: Mapping[int, PushReason] = {
    2: PushReason.CERTIFICATE_UNTRUSTED,
    9: PushReason.CERTIFICATE_NOT_YET,
    10: PushReason.CERTIFICATE_EXPIRED,
    18: PushReason.CERTIFICATE_SELF_SIGNED,
    19: PushReason.CERTIFICATE_UNTRUSTED,
    20: PushReason.CERTIFICATE_UNTRUSTED,
    21: PushReason.CERTIFICATE_UNTRUSTED,
    62: PushReason.CERTIFICATE_NAME,
    64: PushReason.CERTIFICATE_NAME,
}


class NoAnswer(Exception):
    """The request did not get an answer; ``problem`` says why."""

    def __init__(self, problem: PushProblem) -> None:
        self.problem = problem
        super().__init__(problem.reason)


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

    ``read_token`` is asked whenever a connection is made, so that one that was mended needs
    no restart; it may raise NoAnswer. ``timeouts_ms`` are those for connecting and for each
    silence afterwards; ``certificate_authority`` is a PEM file, None: the system's.
    """

    def __init__(
        self,
        *,
        url: str,
        org: str,
        bucket: str,
        read_token: Callable[[], str],
        timeouts_ms: tuple[int, int],
        monotonic_ms: Callable[[], int],
        certificate_authority: str | None = None,
    ) -> None:
        self._url = url
        self._org = org
        self._bucket = bucket
        self._read_token = read_token
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
        except ValueError as error:  # of addresses that cannot be
            raise NoAnswer(_refuse_url(self._url, str(error))) from None
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
        if "?" in self._url or "#" in self._url:
            raise NoAnswer(_refuse_url(self._url, "it must have no ? and no #"))
        token = self._read_token()
        if self._authority is not None:
            check_authority(self._authority)
        try:
            module = importlib.import_module("influxdb_client")
        except ImportError:
            raise NoAnswer(PushProblem(reason=PushReason.NO_CLIENT, where=self._url)) from None
        client = module.InfluxDBClient(
            url=self._url,
            token=token,
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


def check_authority(path: str) -> None:
    """Raises NoAnswer where the file is no PEM with a certificate that can be read."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except OSError as error:  # SSLError among them
        what = "no certificate in PEM" if isinstance(error, ssl.SSLError) else error.strerror
        raise NoAnswer(
            PushProblem(
                reason=PushReason.AUTHORITY_FILE, where=path, fills={"problem": what or "no file"}
            )
        ) from None


def _refuse_url(url: str, problem: str) -> PushProblem:
    return PushProblem(reason=PushReason.URL, where=url, fills={"problem": problem})


def explain_silence(url: str, error: BaseException) -> PushProblem:
    """Why there was no answer.

    >>> explain_silence("http://a", ConnectionRefusedError()).reason.value
    'connection_refused'
    """
    chain = _unfold(error)
    kinds = {kind.__name__ for each in chain for kind in type(each).__mro__}
    for each in chain:
        if isinstance(each, ssl.SSLCertVerificationError):
            reason = _CERTIFICATES.get(each.verify_code, PushReason.CERTIFICATE)
            return PushProblem(reason=reason, where=url, fills={"problem": each.verify_message})
    fills = {"problem": "no answer in time"}
    for names, reason in _SILENCES:
        if kinds & names:
            if reason is PushReason.URL:
                fills = {"problem": str(chain[-1]) or "it cannot be read"}
            return PushProblem(reason=reason, where=url, fills=fills)
    unreachable = [each for each in chain if isinstance(each, OSError) and each.strerror]
    if unreachable and "NewConnectionError" in kinds:
        fills = {"problem": str(unreachable[-1].strerror)}
        return PushProblem(reason=PushReason.UNREACHABLE, where=url, fills=fills)
    return PushProblem(reason=PushReason.CUT, where=url)


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
