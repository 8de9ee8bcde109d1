"""The words for causes, reasons, roles and rules, in the reader's language.

Rule of this file: a key of the model in, a phrase out. A key that is not known is shown
as it is: a new reason must not hide itself. ``_`` marks what the catalogues translate.
"""

from __future__ import annotations

from netwatch.report.language import Language


def _(message: str) -> str:
    """Marks a message for extraction; it is translated where it is used."""
    return message


_CAUSES = {
    "agent": _("measuring device"),
    "clock": _("clock of the device"),
    "local": _("local cabling or network"),
    "gateway": _("router on the premises"),
    "access": _("access line"),
    "upstream": _("operator's network"),
    "dns": _("name resolution"),
    "loss": _("packet loss"),
    "latency": _("high latency"),
    "throughput": _("low throughput"),
}
_EVIDENCE = {
    "gateway": _("the router on the premises answers nothing"),
    "access": _("the router answers, the operator's first hop and every internet target do not"),
    "upstream": _("the operator's first hop answers, no internet target does"),
    "dns": _("internet targets answer by address, every resolver fails"),
}
_REASONS = {
    # why time was not watched
    "stopped": _("device stopped on purpose"),
    "crashed": _("program crashed"),
    "power_loss": _("power cut at the device"),
    "stalled": _("device stalled"),
    "no_heartbeat": _("no sign of life from the device"),
    "before_start": _("before the device was installed"),
    "no_record": _("no record"),
    "absent": _("device not there"),
    "silent": _("device silent"),
    "unrecorded": _("device running, nothing recorded"),
    "carrier": _("cable out of the device"),
    "address": _("device without an address"),
    "default_route": _("device without a route"),
    "unsynchronised": _("clock of the device not synchronised"),
    "stepped": _("clock of the device not synchronised"),
    # why a test was skipped
    "busy_link": _("line in use by others"),
    "data_budget": _("monthly data budget used up"),
    "quiet_hours": _("quiet hours"),
    "overlap": _("another test was under way"),
    "no_lock": _("could not be told from other tests: no lock"),
    "line_down": _("the line was down"),
    "agent_off": _("device off"),
    "interrupted": _("test cut off"),
    "late": _("device too busy"),
    # why a test does not count
    "device_limited": _("the device was the limit, not the line"),
    "wrong_circuit": _("measured on another line (failover)"),
    "clock_unsynced": _("clock of the device not synchronised"),
    "test_server_failed": _("the test server failed"),
    "test_failed": _("the test failed on the device"),
}
_ROLES = {
    "gateway": _("router"),
    "first_hop": _("operator's first hop"),
    "internet": _("internet"),
    "resolver": _("resolver"),
    "service": _("service"),
}
_COLUMNS = {
    "name": _("Target"),
    "role": _("Role"),
    "address": _("Address"),
    "kind": _("Kind"),
}
_CALENDARS = {
    "24/7": _("Around the clock"),
    "contract": _("Hours of the contract"),
    "opening": _("Opening hours"),
}
_TECHNOLOGIES = {"ftth": _("fibre (FTTH)"), "ftto": _("dedicated fibre (FTTO)"), "adsl": "ADSL"}
_MISSING = {
    "monthly_fee": _("the monthly fee is not in the configuration"),
    "availability": _("no availability is known"),
    "throughput": _("no valid throughput test"),
}
_EXCLUSION_KINDS = {
    "maintenance": _("maintenance that was announced"),
    "customer": _("on the customer's side"),
    "force_majeure": _("force majeure"),
}
_CLOCK_FROM = {
    "reported": _("from the report to the operator"),
    "detected": _("from the detection"),
    "recurrence": _("from the first outage of a recurrence"),
}
_PERIODS = {
    "incident": _("incident"),
    "month": _("month"),
    "quarter": _("quarter"),
    "year": _("year"),
}
_FILES = {
    "ledger.csv": _("the ledger: every minute of the month"),
    "incidents.csv": _("incidents"),
    "bandwidth.csv": _("throughput tests"),
    "rtt.csv": _("every latency probe, counted by day and target"),
    "campaigns.csv": _("every test of the campaigns"),
    "annotations.csv": _("the incident ledger"),
    "exclusions.csv": _("exclusions"),
    "contract.toml": _("the contract as configured"),
    "report.json": _("the figures of this report"),
}


def cause_name(cause: str, language: Language) -> str:
    """``access`` → access line."""
    return _say(_CAUSES, cause, language)


def cause_evidence(cause: str, language: Language) -> str:
    """On what observation a cause rests."""
    return _say(_EVIDENCE, cause, language)


def reason_name(reason: str, language: Language) -> str:
    """Why something was not measured, or does not count."""
    return _say(_REASONS, reason, language) if reason in _REASONS else cause_name(reason, language)


def role_name(role: str, language: Language) -> str:
    """``first_hop`` → operator's first hop."""
    return _say(_ROLES, role, language)


def column_name(key: str, language: Language) -> str:
    """The heading of a column of the targets' table."""
    return _say(_COLUMNS, key, language)


def calendar_name(calendar: str, language: Language) -> str:
    """``24/7`` → Around the clock."""
    return _say(_CALENDARS, calendar, language)


def technology_name(technology: str, language: Language) -> str:
    """``ftth`` → fibre (FTTH)."""
    return _say(_TECHNOLOGIES, technology, language)


def missing_name(missing: str, language: Language) -> str:
    """Why a penalty has no amount."""
    return _say(_MISSING, missing, language)


def exclusion_kind_name(kind: str, language: Language) -> str:
    """Why time is taken out, in general; the entry's own reason stands beside it."""
    return _say(_EXCLUSION_KINDS, kind, language)


def clock_from_name(word: str, language: Language) -> str:
    """From when a restoration time runs."""
    return _say(_CLOCK_FROM, word, language)


def period_name(word: str, language: Language) -> str:
    """What a cap is per."""
    return _say(_PERIODS, word, language)


def file_name(name: str, language: Language) -> str:
    """What a file of the bundle holds; empty for one that is not known."""
    return language.gettext(_FILES[name]) if name in _FILES else ""


def _say(words: dict[str, str], key: str, language: Language) -> str:
    return language.gettext(words[key]) if key in words else key
