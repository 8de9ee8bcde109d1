"""What a value must meet beyond its type, one setting at a time.

Rule of this file: limits and forms of single values, as tables by (struct,
attribute). What two settings say together is for `consistency` and `targets`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal

from netwatch.config import model
from netwatch.config.central import check_central_url, check_public_key
from netwatch.config.forms import (
    check_address,
    check_date,
    check_holidays,
    check_mail_address,
    check_path,
    check_plain_url,
    check_site_id,
    check_text,
    check_timezone,
    check_url,
    check_window,
    is_window,
    parse_listen,
)
from netwatch.config.notes import Refused, find_nearest, show_number, show_value
from netwatch.config.units import format_duration, format_rate, format_size, parse_duration
from netwatch.core.calendars import NAMED
from netwatch.records import CAUSES, Role, Verdict

_SECOND_MS = 1_000
_MINUTE_MS = 60_000
_HOUR_MS = 3_600_000
_DAY_MS = 86_400_000

#: What a target can stand for; `host`, the agent's own machine, is not configured.
TARGET_ROLES = tuple(role.value for role in Role if role is not Role.HOST)


def between(low: int, high: int, show: Callable[[int], str] = str) -> Callable[[object], None]:
    """A rule: from low to high, both allowed.

    >>> between(1, 3)(2)
    >>> between(1, 3)(4)
    Traceback (most recent call last):
    netwatch.config.notes.Refused: must be from 1 to 3, got 4
    """

    def check(value: object) -> None:
        assert isinstance(value, int | float | Decimal)
        if not low <= value <= high:
            got = show(value) if isinstance(value, int) and value < 10**18 else show_value(value)
            raise Refused(f"must be from {show(low)} to {show(high)}, got {got}")

    return check


def of_text(check_form: Callable[[str], object]) -> Callable[[object], None]:
    """A rule: text of this form."""

    def check(value: object) -> None:
        assert isinstance(value, str)
        check_form(value)

    return check


def check_share(value: object) -> None:
    """A part of a whole.

    >>> check_share(Decimal("0.9985"))

    Raises:
        Refused: not from 0 to 1; a percentage is told how to be written.
    """
    assert isinstance(value, Decimal)
    if not 0 <= value <= 1:
        hint = ""
        if 1 < value <= 100:
            hint = f": for {show_number(value)} % write {show_number(value.scaleb(-2).normalize())}"
        raise Refused(f"must be a share from 0 to 1, got {show_number(value)}{hint}")


def check_calendar(value: object) -> None:
    """The hours in which a contract's clock runs: a word, or each window of a list.

    Raises:
        Refused: neither a calendar's name nor a window.
    """
    assert isinstance(value, str)
    if value not in NAMED:
        check_window(value)


def spell_calendar(value: object) -> object:
    """Words stand alone and windows in a list; the type does not tell them apart."""
    if isinstance(value, str) and value not in NAMED:
        hint = f": write [{show_value(value)}]" if is_window(value) else ""
        raise Refused(
            f'must be one of {", ".join(NAMED)} or a list like ["mon-sat 08:00-18:00"], '
            f"got {show_value(value)}{hint}"
        )
    if isinstance(value, list) and any(word in value for word in NAMED):
        raise Refused("must be the name of a calendar alone, or a list of windows, got both")
    return value


def check_counted(value: object) -> None:
    """The law of the house: what netwatch failed to see is never the operator's.

    Raises:
        Refused: a cause of unknown time.
    """
    if value in CAUSES[Verdict.UNKNOWN]:
        raise Refused(
            f'"{value}" is time that was not watched, which counts against nobody: remove it'
        )


def spell_date(value: object) -> object:
    """A date without quotation marks is as good as one with them."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    return value


def spell_dates(value: object) -> object:
    """The same for a list of dates."""
    return [spell_date(element) for element in value] if isinstance(value, list) else value


def spell_role(value: object) -> object:
    """Refuses here what the wider enumeration would let through."""
    if not isinstance(value, str) or value not in TARGET_ROLES:
        near = find_nearest(value[:40], TARGET_ROLES) if isinstance(value, str) else None
        hint = f" (did you mean {near}?)" if near else ""
        known = ", ".join(f'"{role}"' for role in TARGET_ROLES)
        raise Refused(f"must be one of {known}, got {show_value(value)}{hint}")
    return value


def spell_tiers(value: object) -> object:
    """Tiers by duration have one in front: ``["45m", 0.10]``; it counts as milliseconds."""
    if not isinstance(value, list):
        return value
    return [
        [int(parse_duration(tier[0])), *tier[1:]]
        if isinstance(tier, list) and tier and isinstance(tier[0], str)
        else tier
        for tier in value
    ]


_TEXT = of_text(check_text)
_PATH = of_text(check_path)
_URL = of_text(check_url)
_WINDOW = of_text(check_window)
_DATE = of_text(check_date)


def _duration(low: int, high: int) -> Callable[[object], None]:
    return between(low, high, format_duration)


_PROBE_INTERVAL = _duration(200, _HOUR_MS)
# A timeout beyond this may still be refused for a better reason: `consistency` has the limit.
_PROBE_TIMEOUT = _duration(50, _HOUR_MS)
_GUARANTEED_RATE = between(1_000, 125_000_000_000, format_rate)
_PORT = between(1, 65_535)
# No contract speaks of more than a year.
_CONTRACT_TIME = _duration(_MINUTE_MS, 366 * _DAY_MS)

RULES: Mapping[tuple[type, str], Callable[[object], None]] = {
    (model.Site, "id"): of_text(check_site_id),
    (model.Site, "name"): _TEXT,
    (model.Site, "commune"): _TEXT,
    (model.Site, "timezone"): of_text(check_timezone),
    (model.Site, "holidays"): of_text(check_holidays),
    (model.Site, "extra_holidays"): _DATE,
    (model.Site, "opening_hours"): _WINDOW,
    (model.Site, "latitude"): between(-90, 90),
    (model.Site, "longitude"): between(-180, 180),
    (model.Circuit, "operator"): _TEXT,
    (model.Circuit, "reference"): _TEXT,
    (model.Circuit, "technology"): _TEXT,
    (model.ContractSettings, "since"): _DATE,
    (model.ContractSettings, "availability"): check_share,
    (model.ContractSettings, "calendar"): check_calendar,
    (model.ContractSettings, "starts"): _DATE,
    (model.ContractSettings, "intervene_within_ms"): _CONTRACT_TIME,
    (model.ContractSettings, "restore_within_ms"): _CONTRACT_TIME,
    (model.ContractSettings, "yearly_interruption_ms"): _duration(0, 366 * _DAY_MS),
    (model.ContractSettings, "counted_causes"): check_counted,
    (model.ContractSettings, "recurrence_window_ms"): _CONTRACT_TIME,
    (model.ContractSettings, "guaranteed_down"): _GUARANTEED_RATE,
    (model.ContractSettings, "guaranteed_up"): _GUARANTEED_RATE,
    (model.ContractSettings, "guaranteed_share"): check_share,
    (model.ContractSettings, "max_rtt_ms"): _duration(1, 10 * _SECOND_MS),
    (model.ContractSettings, "max_loss"): check_share,
    (model.Penalty, "name"): _TEXT,
    (model.Penalty, "threshold"): check_share,
    (model.Penalty, "share"): check_share,
    (model.Penalty, "divisor"): between(1, 1_000_000),
    (model.Penalty, "per"): _TEXT,
    (model.Penalty, "grace"): _duration(0, 366 * _DAY_MS),
    (model.Penalty, "cap"): check_share,
    (model.Penalty, "incident_cap"): check_share,
    (model.Penalty, "excludes"): _TEXT,
    (model.Latency, "interval_ms"): _PROBE_INTERVAL,
    (model.Latency, "burst_interval_ms"): _PROBE_INTERVAL,
    (model.Latency, "timeout_ms"): _PROBE_TIMEOUT,
    (model.Latency, "down_after_rounds"): between(1, 100),
    (model.Latency, "up_after_rounds"): between(1, 100),
    (model.Latency, "window_ms"): _duration(5 * _SECOND_MS, _HOUR_MS),
    (model.Latency, "degraded_after_windows"): between(1, 100),
    (model.Dns, "interval_ms"): _PROBE_INTERVAL,
    (model.Dns, "timeout_ms"): _duration(50, 10 * _SECOND_MS),
    (model.Dns, "name"): _TEXT,
    (model.Target, "name"): _TEXT,
    (model.Target, "address"): _TEXT,
    (model.Target, "interval_ms"): _PROBE_INTERVAL,
    (model.Target, "timeout_ms"): _PROBE_TIMEOUT,
    (model.Target, "port"): _PORT,
    (model.Target, "expect_status"): between(100, 599),
    (model.Bandwidth, "per_day"): between(0, 48),
    (model.Bandwidth, "monthly_budget"): between(0, 10**15, format_size),
    (model.Bandwidth, "quiet_hours"): _WINDOW,
    (model.Bandwidth, "busy_above"): check_share,
    (model.Bandwidth, "first_hop"): of_text(check_address),
    (model.SnmpSettings, "address"): of_text(check_address),
    (model.SnmpSettings, "interface"): between(1, 2**31 - 1),
    (model.SnmpSettings, "port"): _PORT,
    (model.SnmpSettings, "community_file"): _PATH,
    (model.UpnpSettings, "url"): of_text(check_plain_url),
    (model.LeaseSettings, "url"): _URL,
    (model.LibrespeedSettings, "url"): _URL,
    (model.LibrespeedSettings, "upload_url"): _URL,
    (model.LibrespeedSettings, "certificate_authority"): _PATH,
    (model.Iperf3Settings, "server"): _TEXT,
    (model.Iperf3Settings, "port"): _PORT,
    (model.Ndt7Settings, "url"): _URL,
    (model.SpeedtestSettings, "url"): _URL,
    (model.StoreSettings, "path"): _PATH,
    (model.StoreSettings, "keep_ms"): _duration(35 * _DAY_MS, 3_660 * _DAY_MS),
    (model.StoreSettings, "commit_interval_ms"): _duration(_SECOND_MS, 5 * _MINUTE_MS),
    (model.Http, "listen"): of_text(parse_listen),
    (model.Http, "token_file"): _PATH,
    (model.Http, "certificate"): _PATH,
    (model.Http, "key"): _PATH,
    (model.Influx, "url"): _URL,
    (model.Influx, "org"): _TEXT,
    (model.Influx, "bucket"): _TEXT,
    (model.Influx, "token_file"): _PATH,
    (model.Influx, "certificate_authority"): _PATH,
    (model.Mail, "host"): _TEXT,
    (model.Mail, "sender"): of_text(check_mail_address),
    (model.Mail, "recipients"): of_text(check_mail_address),
    (model.Mail, "port"): _PORT,
    (model.Mail, "user"): _TEXT,
    (model.Mail, "password_file"): _PATH,
    (model.Mail, "certificate_authority"): _PATH,
    (model.Central, "url"): of_text(check_central_url),
    (model.Central, "public_key"): of_text(check_public_key),
    (model.Central, "public_key_file"): _PATH,
    (model.Central, "token_file"): _PATH,
    (model.Central, "certificate_authority"): _PATH,
    (model.Central, "every_ms"): _duration(15 * _MINUTE_MS, 7 * _DAY_MS),
}

SPELLINGS: Mapping[tuple[type, str], Callable[[object], object]] = {
    (model.Site, "extra_holidays"): spell_dates,
    (model.ContractSettings, "calendar"): spell_calendar,
    (model.ContractSettings, "since"): spell_date,
    (model.ContractSettings, "starts"): spell_date,
    (model.Penalty, "tiers"): spell_tiers,
    (model.Target, "role"): spell_role,
}
