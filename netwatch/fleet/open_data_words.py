"""The words of the open data set: what each table and column means, licences, the README.

Rule of this file: words only.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class Licence(msgspec.Struct, frozen=True, kw_only=True):
    """A licence as data.gouv.fr knows it, and the text that goes with the files."""

    name: str
    title: str
    path: str
    text: str


LICENCES: Mapping[str, Licence] = {
    "etalab-2.0": Licence(
        name="etalab-2.0",
        title="Licence Ouverte / Open Licence version 2.0",
        path="https://www.etalab.gouv.fr/licence-ouverte-open-licence/",
        text="Licence Ouverte / Open Licence version 2.0 (Etalab)\n\n"
        "Vous pouvez réutiliser ces données librement, y compris à des fins commerciales, à la\n"
        "condition d’en mentionner la paternité (le producteur et la date de mise à jour).\n"
        "You may reuse these data freely, commercially too, provided that you name their source\n"
        "(the publisher and the date of the last update).\n\n"
        "https://www.etalab.gouv.fr/licence-ouverte-open-licence/",
    ),
    "odbl-1.0": Licence(
        name="ODbL-1.0",
        title="Open Data Commons Open Database License 1.0",
        path="https://opendatacommons.org/licenses/odbl/1-0/",
        text="Open Data Commons Open Database License 1.0\n\n"
        "https://opendatacommons.org/licenses/odbl/1-0/",
    ),
    "cc-by-4.0": Licence(
        name="CC-BY-4.0",
        title="Creative Commons Attribution 4.0",
        path="https://creativecommons.org/licenses/by/4.0/",
        text="Creative Commons Attribution 4.0 International\n\n"
        "https://creativecommons.org/licenses/by/4.0/legalcode",
    ),
}
TABLES: Mapping[str, Mapping[str, str]] = {
    "package": {
        "fr": "Disponibilité mensuelle des accès internet de bâtiments publics, mesurée sur "
        "place, chaque chiffre accompagné de la part du temps réellement observée ; incidents et "
        "débits.",
        "en": "Monthly availability of the internet lines of public buildings, measured on "
        "site, each figure with the share of the time that was watched; incidents and throughput.",
    },
    "sites": {"fr": "Bâtiments", "en": "Buildings"},
    "availability": {"fr": "Disponibilité du mois", "en": "Availability of the month"},
    "incidents": {"fr": "Interruptions", "en": "Interruptions"},
    "throughput": {"fr": "Débits mesurés", "en": "Measured throughput"},
}
FIELDS: Mapping[str, Mapping[str, str]] = {
    "site": {"fr": "Identifiant du bâtiment", "en": "Identifier of the building"},
    "name": {"fr": "Nom", "en": "Name"},
    "commune": {"fr": "Commune", "en": "Commune"},
    "latitude": {"fr": "Latitude (WGS 84)", "en": "Latitude (WGS 84), three decimals"},
    "longitude": {"fr": "Longitude (WGS 84)", "en": "Longitude (WGS 84), three decimals"},
    "operator": {"fr": "Opérateur", "en": "Operator of the line"},
    "technology": {"fr": "Technologie d’accès", "en": "Access technology"},
    "timezone": {"fr": "Fuseau horaire", "en": "Time zone in which the month is counted"},
    "month": {"fr": "Mois civil", "en": "Civil month"},
    "from": {"fr": "Début", "en": "First instant"},
    "until": {"fr": "Fin", "en": "First instant after"},
    "complete": {"fr": "Mois terminé", "en": "Whether the month was over"},
    "availability": {
        "fr": "Disponibilité mesurée, de 0 à 1",
        "en": "Of the time watched, the share in which the line was not down; 24 hours a day",
    },
    "availability_low": {
        "fr": "Borne basse",
        "en": "Had the line been down all the time that was not watched",
    },
    "availability_high": {
        "fr": "Borne haute",
        "en": "Had the line been up all the time that was not watched",
    },
    "coverage": {"fr": "Part du temps observée", "en": "Share of the month that was watched"},
    "up_seconds": {"fr": "Temps disponible (s)", "en": "Seconds up"},
    "degraded_seconds": {"fr": "Temps dégradé (s)", "en": "Seconds degraded"},
    "down_seconds": {"fr": "Temps d’interruption (s)", "en": "Seconds down"},
    "unknown_seconds": {"fr": "Temps non observé (s)", "en": "Seconds that were not watched"},
    "incidents": {"fr": "Nombre d’interruptions", "en": "Number of interruptions"},
    "started_at": {"fr": "Début de l’interruption", "en": "Beginning of the interruption (UTC)"},
    "ended_at": {"fr": "Fin de l’interruption", "en": "Its end (UTC); empty while it lasts"},
    "cause": {"fr": "Cause constatée", "en": "Cause: gateway, access, upstream or dns"},
    "duration_seconds": {"fr": "Durée (s)", "en": "Duration in seconds"},
    "direction": {"fr": "Sens : down ou up", "en": "down (to the building) or up"},
    "tests": {"fr": "Nombre de mesures", "en": "Number of tests"},
    "valid": {"fr": "Mesures valables", "en": "Tests that count"},
    "median_bits_per_second": {"fr": "Débit médian (bit/s)", "en": "Median goodput"},
    "p10_bits_per_second": {"fr": "Débit, 10e centile (bit/s)", "en": "10th percentile"},
    "p90_bits_per_second": {"fr": "Débit, 90e centile (bit/s)", "en": "90th percentile"},
}
README = """\
# {title_fr} ({month})

{publisher}. {sites} bâtiments. Licence : {licence} (LICENCE.txt).

Chaque bâtiment a un agent qui mesure sa ligne internet sur place, y compris quand elle est coupée.
Le temps non observé n’est jamais compté comme disponible : lire chaque disponibilité avec la part
du temps observée (`coverage`) et ses bornes.

* `sites.csv` : les bâtiments
* `availability.csv` : la disponibilité du mois, 24 heures sur 24
* `incidents.csv` : chaque interruption
* `throughput.csv` : les débits mesurés

CSV en UTF-8, virgule, point décimal, instants ISO 8601 en UTC ; schémas de tables (Table Schema) à
côté ; `datapackage.json` décrit l’ensemble (Frictionless Data Package).

---

# {title_en} ({month})

{publisher}. {sites} buildings. Licence: {licence} (LICENCE.txt).

Each building has an agent that measures its internet line on site, also while it is cut. Time that
was not watched is never counted as up: read each availability with the share of the time that was
watched (`coverage`) and with its bounds. CSV in UTF-8, comma, decimal point, ISO 8601 instants in
UTC; a Table Schema beside each; `datapackage.json` describes them (Frictionless Data Package).
"""
