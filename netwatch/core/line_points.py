"""The points of INTERFACE.md, "InfluxDB", in line protocol.

The law of this file: one record gives one line, always the same, so that a line sent
twice changes nothing. A ledger point adds up to its minute exactly, and what was not
measured is a field that is not there. Pure; it knows no server and no store.

Every field is an integer, and whatever is text is a tag: servers that keep numbers alone
(VictoriaMetrics) lose nothing. Instants are in nanoseconds; round-trip times in
microseconds, rates in bytes per second.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from netwatch.core.chain import DayHash
from netwatch.core.stats import distribution, interarrival_jitter
from netwatch.records import CAUSES, MINUTE_MS, Incident, LedgerMinute, Verdict

_NS_PER_MS = 1_000_000
_TAG_ESCAPES = str.maketrans({",": r"\,", "=": r"\=", " ": r"\ "})


class RttMinute(msgspec.Struct, frozen=True, kw_only=True):
    """What one target had in one UTC minute, in the order of sending."""

    target: str
    start_ms: int
    rtt_us: tuple[int | None, ...]  # None: lost
    untimed: int = 0  # answered, but without a measured time


class BandwidthPoint(msgspec.Struct, frozen=True, kw_only=True):
    """One throughput test; what was not measured is left out."""

    started_ms: int
    engine: str
    server: str | None
    down_invalid: str | None
    up_invalid: str | None
    measures: Mapping[str, int | None]


def build_tags(site: str, circuit: str | None, operator: str | None) -> dict[str, str | None]:
    """The tags that every point carries; what the configuration does not say is left out.

    >>> format_line("m", build_tags("ecole", None, "FAI-A"), {"x": 1}, 5)
    'm,operator=FAI-A,site=ecole x=1i 5000000'
    """
    return {"site": site, "circuit": circuit, "operator": operator}


def format_line(
    measurement: str,
    tags: Mapping[str, str | None],
    fields: Mapping[str, int | None],
    at_ms: int,
) -> str:
    r"""One point (line protocol: tags in order of their names, integers with an ``i``).

    Tags and fields that are None, and tags that are empty, are left out. Raises
    ValueError where no field is left: such a line says nothing, and servers refuse it.

    >>> format_line("m", {"b": "x, y=z", "a": None, "c": ""}, {"n": 0, "absent": None}, 1)
    'm,b=x\\,\\ y\\=z n=0i 1000000'
    """
    told = {name: value for name, value in fields.items() if value is not None}
    if not told:
        raise ValueError(f"{measurement}: a point without any field")
    cleaned = {name: clean_tag(value) for name, value in tags.items() if value is not None}
    written = ",".join(
        [
            measurement,
            *(
                f"{name.translate(_TAG_ESCAPES)}={value.translate(_TAG_ESCAPES)}"
                for name, value in sorted(cleaned.items())
                if value
            ),
        ]
    )
    values = ",".join(f"{name}={value}i" for name, value in told.items())
    return f"{written} {values} {at_ms * _NS_PER_MS}"


def clean_tag(value: str) -> str:
    r"""A tag's text without what no server agrees on.

    A line break ends the line wherever it stands, so control characters become spaces;
    one server takes ``\\`` as one backslash and another as two, and at the end of a value
    it would hide the comma: it becomes a stroke.

    >>> clean_tag(" two\nlines\\ ")
    'two lines/'
    """
    plain = "".join(each if each.isprintable() else " " for each in value)
    return plain.replace("\\", "/").strip()


def format_ledger_minute(minute: LedgerMinute, tags: Mapping[str, str | None]) -> str:
    """``netwatch_ledger``: the four verdicts, which add up to 60 000, and each cause of them.

    All fields are always there: nothing of a cause is a true 0, and a graph that sums
    them must not carry on an older value. Raises ValueError for a minute that does not
    add up.

    >>> from netwatch.records import Cause, Entry
    >>> whole = Entry(verdict=Verdict.DOWN, cause=Cause.DNS, duration_ms=60_000)
    >>> line = format_ledger_minute(LedgerMinute(start_ms=0, entries=(whole,)), {"site": "a"})
    >>> line.split(" ")[1][:66]
    'up_ms=0i,degraded_ms=0i,down_ms=60000i,unknown_ms=0i,degraded_loss'
    """
    fields = {f"{verdict.value}_ms": 0 for verdict in Verdict}
    for verdict in Verdict:
        fields.update({f"{verdict.value}_{cause.value}_ms": 0 for cause in CAUSES[verdict]})
    for entry in minute.entries:
        fields[f"{entry.verdict.value}_ms"] += entry.duration_ms
        if entry.cause is not None:
            fields[f"{entry.verdict.value}_{entry.cause.value}_ms"] += entry.duration_ms
    total_ms = sum(fields[f"{verdict.value}_ms"] for verdict in Verdict)
    if total_ms != MINUTE_MS:
        raise ValueError(f"the minute at {minute.start_ms} adds up to {total_ms} ms, not 60000")
    return format_line("netwatch_ledger", tags, fields, minute.start_ms)


def format_rtt_minute(minute: RttMinute, tags: Mapping[str, str | None]) -> str:
    """``netwatch_rtt``: one target's minute; times in microseconds, the mean rounded.

    A lost probe counts in ``sent`` and ``lost``, is in no mean, and sorts as infinite: a
    percentile that falls among the lost is absent (STANDARDS.md, 2). Jitter is RFC
    3550's, over the minute.

    >>> format_rtt_minute(RttMinute(target="box", start_ms=0, rtt_us=(100, 301, None)), {})
    'netwatch_rtt,target=box sent=3i,lost=1i,min=100i,mean=201i,p50=301i,max=301i,jitter=12i 0'
    """
    timed = [each for each in minute.rtt_us if each is not None]
    lost = len(minute.rtt_us) - len(timed)
    spread = distribution(timed, lost=lost)
    fields: dict[str, int | None] = {
        "sent": len(minute.rtt_us) + minute.untimed,
        "lost": lost,
        "min": spread.minimum,
        "mean": (2 * sum(timed) + len(timed)) // (2 * len(timed)) if timed else None,
    }
    for percent in (50, 95, 99):
        rank = spread.percentile(percent)
        fields[f"p{percent}"] = rank if isinstance(rank, int) else None
    fields["max"] = spread.maximum
    fields["jitter"] = interarrival_jitter(minute.rtt_us)
    return format_line("netwatch_rtt", {**tags, "target": minute.target}, fields, minute.start_ms)


def format_bandwidth(point: BandwidthPoint, tags: Mapping[str, str | None]) -> str:
    """``netwatch_bandwidth``: one test at its beginning; why a direction does not count is a tag.

    >>> format_bandwidth(BandwidthPoint(started_ms=1, engine="iperf3", server=None,
    ...     down_invalid="busy_link", up_invalid=None, measures={"up_bytes": 5}), {})
    'netwatch_bandwidth,down_invalid=busy_link,engine=iperf3 up_bytes=5i 1000000'
    """
    described = {
        **tags,
        "engine": point.engine,
        "server": point.server,
        "down_invalid": point.down_invalid,
        "up_invalid": point.up_invalid,
    }
    return format_line("netwatch_bandwidth", described, point.measures, point.started_ms)


def format_incident(incident: Incident, tags: Mapping[str, str | None]) -> str:
    """``netwatch_incident`` at its start, once it is over; ``end`` in UTC milliseconds.

    Raises ValueError for one that lasts still: sent again with another end it would be
    two incidents where a server keeps both.

    >>> from netwatch.records import Cause
    >>> format_incident(Incident(cause=Cause.ACCESS, start_ms=1, end_ms=4), {})
    'netwatch_incident,cause=access end=4i,duration_ms=3i 1000000'
    """
    if incident.end_ms is None:
        raise ValueError(f"the incident of {incident.start_ms} is not over")
    fields = {"end": incident.end_ms, "duration_ms": incident.end_ms - incident.start_ms}
    described = {**tags, "cause": incident.cause.value}
    return format_line("netwatch_incident", described, fields, incident.start_ms)


def format_day_hash(entry: DayHash, tags: Mapping[str, str | None]) -> str:
    """``netwatch_chain``: an entry of the chain of days, when it was made.

    With it, the centre holds what the device can no longer change. Day and hash are tags.

    >>> format_day_hash(DayHash(number=7, day="2026-10-05", records="a", rows=1440, first_key=None,
    ...     last_key=None, observations="b", late=0, closed_ms=2, version="1", previous=None,
    ...     hash="c0ffee"), {})
    'netwatch_chain,day=2026-10-05,hash=c0ffee number=7i,rows=1440i,late=0i 2000000'
    """
    fields = {"number": entry.number, "rows": entry.rows, "late": entry.late}
    described = {**tags, "day": entry.day, "hash": entry.hash}
    return format_line("netwatch_chain", described, fields, entry.closed_ms)


def group_by_minute(dated: Sequence[tuple[int, str]]) -> dict[int, list[str]]:
    """Lines by the beginning of the minute that they leave with.

    >>> group_by_minute([(60_001, "b"), (5, "a")])
    {60000: ['b'], 0: ['a']}
    """
    minutes: dict[int, list[str]] = {}
    for at_ms, line in dated:
        minutes.setdefault(at_ms // MINUTE_MS * MINUTE_MS, []).append(line)
    return minutes
