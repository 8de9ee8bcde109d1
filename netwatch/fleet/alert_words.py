"""What an alert says, in English and in French.

Rule of this file: words only. The texts are Prometheus templates: ``$labels`` are those of
the alert's expression, ``$value`` its value. docs/alerts.md tells what to do, by alert.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class Words(msgspec.Struct, frozen=True):
    """One language's texts of an alert."""

    summary: str
    description: str


_SITE = "{{ $labels.name }}"
#: A line need not have a reference.
_LINE = "{{ $labels.operator }}{{ with $labels.circuit }} {{ . }}{{ end }}"
_TIME = "{{ humanizeDuration $value }}"
_SHARE = "{{ humanizePercentage $value }}"
#: Nothing where no cause is known.
_CAUSE, _CAUSE_FR = (
    '{{ range printf "netwatch:site_cause{site=%q}" $labels.site | query }}'
    f"{words}{{{{ .Labels.cause }}}}{{{{ end }}}}"
    for words in ("; cause: ", " ; cause : ")
)

#: By alert: English, French.
WORDS: Mapping[str, tuple[Words, Words]] = {
    "NetwatchLinkDown": (
        Words(
            f"{_SITE}: the line is down",
            f"{_LINE} has carried no traffic for {_TIME}{_CAUSE}.",
        ),
        Words(
            f"{_SITE} : la ligne est coupée",
            f"{_LINE} n’achemine plus de trafic depuis {_TIME}{_CAUSE_FR}.",
        ),
    ),
    "NetwatchOperatorOutage": (
        Words(
            "{{ $labels.operator }}: several sites are down at once",
            "{{ $value }} sites of {{ $labels.operator }} are down by access or upstream: "
            "the operator’s network, not one building’s.",
        ),
        Words(
            "{{ $labels.operator }} : plusieurs sites coupés en même temps",
            "{{ $value }} sites de {{ $labels.operator }} sont coupés (accès ou amont) : "
            "le réseau de l’opérateur, et non celui d’un bâtiment.",
        ),
    ),
    "NetwatchOperatorSilent": (
        Words(
            "{{ $labels.operator }}: several agents are silent at once",
            "{{ $value }} agents on lines of {{ $labels.operator }} do not answer while others "
            "do. If their lines are down, their books will say so when they are back.",
        ),
        Words(
            "{{ $labels.operator }} : plusieurs agents muets en même temps",
            "{{ $value }} agents sur des lignes de {{ $labels.operator }} ne répondent plus, "
            "d’autres si. Si leurs lignes sont coupées, leurs registres le diront au retour.",
        ),
    ),
    "NetwatchRestoreHalfUsed": (
        Words(
            f"{_SITE}: half of the time to restore is used",
            f"{_SHARE} of the guaranteed restoration time of {_LINE} is used, in covered hours. "
            "Is a ticket open?",
        ),
        Words(
            f"{_SITE} : la moitié de la GTR est consommée",
            f"{_SHARE} de la GTR de {_LINE} est consommé, en heures couvertes. "
            "Un ticket est-il ouvert ?",
        ),
    ),
    "NetwatchRestoreNearlyUsed": (
        Words(
            f"{_SITE}: the time to restore is nearly used",
            f"{_SHARE} of the guaranteed restoration time of {_LINE} is used, in covered hours. "
            "Escalate with the operator.",
        ),
        Words(
            f"{_SITE} : la GTR est presque consommée",
            f"{_SHARE} de la GTR de {_LINE} est consommé, en heures couvertes. "
            "Escalade chez l’opérateur.",
        ),
    ),
    "NetwatchRestoreExceeded": (
        Words(
            f"{_SITE}: the guaranteed restoration time is exceeded",
            f"{_SHARE} of the guaranteed restoration time of {_LINE} is used, in covered hours.",
        ),
        Words(
            f"{_SITE} : la GTR est dépassée",
            f"{_SHARE} de la GTR de {_LINE} est consommé, en heures couvertes.",
        ),
    ),
    "NetwatchLineWasDown": (
        Words(
            f"{_SITE}: the line was down within the last half hour",
            "That outage was told. Nobody is told of this: it holds back what follows from it.",
        ),
        Words(
            f"{_SITE} : la ligne était coupée il y a moins d’une demi-heure",
            "Cette coupure a été signalée. Ceci ne l’est à personne et retient ce qui en découle.",
        ),
    ),
    "NetwatchBudgetBurnFast": (
        Words(
            f"{_SITE}: the error budget burns very fast",
            f"{_LINE} has used its allowed downtime at {{{{ printf \"%.1f\" $value }}}} times "
            "the promised pace, over 1 h and over 5 min.",
        ),
        Words(
            f"{_SITE} : le crédit d’indisponibilité fond très vite",
            f"{_LINE} consomme son indisponibilité admise {{{{ printf \"%.1f\" $value }}}} fois "
            "trop vite, sur 1 h et sur 5 min.",
        ),
    ),
    "NetwatchBudgetBurn": (
        Words(
            f"{_SITE}: the error budget burns fast",
            f"{_LINE} has used its allowed downtime at {{{{ printf \"%.1f\" $value }}}} times "
            "the promised pace, over 6 h and over 30 min.",
        ),
        Words(
            f"{_SITE} : le crédit d’indisponibilité fond vite",
            f"{_LINE} consomme son indisponibilité admise {{{{ printf \"%.1f\" $value }}}} fois "
            "trop vite, sur 6 h et sur 30 min.",
        ),
    ),
    "NetwatchBudgetBurnSlow": (
        Words(
            f"{_SITE}: the commitment will be missed at this pace",
            f"{_LINE} has used its allowed downtime at {{{{ printf \"%.1f\" $value }}}} times "
            "the promised pace, over 3 d and over 6 h.",
        ),
        Words(
            f"{_SITE} : l’engagement sera manqué à ce rythme",
            f"{_LINE} consomme son indisponibilité admise {{{{ printf \"%.1f\" $value }}}} fois "
            "trop vite, sur 3 j et sur 6 h.",
        ),
    ),
    "NetwatchAgentSilent": (
        Words(
            f"{_SITE}: the agent does not answer",
            f"Prometheus has not reached the agent for five minutes. Its line ({_LINE}) may be "
            "down, or the agent off: only its own books will tell, when it is back.",
        ),
        Words(
            f"{_SITE} : l’agent ne répond plus",
            f"Prometheus n’atteint plus l’agent depuis cinq minutes. Sa ligne ({_LINE}) est "
            "peut-être coupée, ou l’agent éteint : seul son registre le dira, à son retour.",
        ),
    ),
    "NetwatchOtherSite": (
        Words(
            f"{_SITE}: another site’s agent answers there ({{{{ $labels.exported_site }}}})",
            "Its figures are entered under this site. Correct the address in fleet.toml, or "
            "site.id in that agent’s configuration; the time until then is not this site’s.",
        ),
        Words(
            f"{_SITE} : l’agent d’un autre site y répond ({{{{ $labels.exported_site }}}})",
            "Ses chiffres sont inscrits sous ce site. Corrigez l’adresse dans fleet.toml, ou "
            "site.id dans la configuration de cet agent ; le temps jusque-là n’est pas de ce site.",
        ),
    ),
    "NetwatchCoverageLow": (
        Words(
            f"{_SITE}: too little is watched",
            f"Only {_SHARE} of the last day is known: figures of this line conclude little.",
        ),
        Words(
            f"{_SITE} : la surveillance est lacunaire",
            f"Seuls {_SHARE} du dernier jour sont connus : on ne peut guère conclure.",
        ),
    ),
    "NetwatchSpoolGrowing": (
        Words(
            f"{_SITE}: measurements wait to be sent",
            "The oldest row for {{ $labels.outlet }} has waited for "
            f"{_TIME}, and more come than go.",
        ),
        Words(
            f"{_SITE} : des mesures attendent d’être envoyées",
            "La plus ancienne ligne pour {{ $labels.outlet }} attend depuis "
            f"{_TIME}, et la file s’allonge.",
        ),
    ),
    "NetwatchClockNotSynchronised": (
        Words(
            f"{_SITE}: the agent’s clock is not synchronised",
            "Its time is entered as unknown until a time server has been heard.",
        ),
        Words(
            f"{_SITE} : l’horloge de l’agent n’est pas synchronisée",
            "Son temps compte comme inconnu tant qu’aucun serveur de temps n’a répondu.",
        ),
    ),
    "NetwatchCertificateEnding": (
        Words(
            f"{_SITE}: the certificate of {{{{ $labels.target }}}} ends soon",
            f"It ends in {_TIME}.",
        ),
        Words(
            f"{_SITE} : le certificat de {{{{ $labels.target }}}} expire bientôt",
            f"Il expire dans {_TIME}.",
        ),
    ),
    "NetwatchBooksRestarted": (
        Words(
            f"{_SITE}: the agent’s books begin anew",
            "Its counters fell: a card was replaced, or an old copy put back. Figures of its "
            "windows begin with the new books; keep the old card if it still reads.",
        ),
        Words(
            f"{_SITE} : le registre de l’agent recommence",
            "Ses compteurs ont reculé : carte remplacée, ou ancienne copie restaurée. Les "
            "chiffres repartent du nouveau registre ; gardez l’ancienne carte si elle se lit.",
        ),
    ),
    "NetwatchNotice": (
        Words(
            f"{_SITE}: the agent asks for a person ({{{{ $labels.notice }}}})",
            "The agent’s page says what is the matter and what to do.",
        ),
        Words(
            f"{_SITE} : l’agent demande quelqu’un ({{{{ $labels.notice }}}})",
            "La page de l’agent dit ce qui se passe et que faire.",
        ),
    ),
    "NetwatchRulesOutdated": (
        Words(
            "The rules’ public holidays end soon",
            "Write them again: `netwatch fleet rules`.",
        ),
        Words(
            "Les jours fériés des règles prennent fin bientôt",
            "Écrivez-les à nouveau : `netwatch fleet rules`.",
        ),
    ),
}  # fmt: skip
