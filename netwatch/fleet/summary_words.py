"""The words of an operator's page, in French and English.

Rule of this file: words only. Numbers, dates and money are `report.language`'s.
"""

from __future__ import annotations

from collections.abc import Mapping

from netwatch.report.language import LanguageCode

WORDS: Mapping[LanguageCode, Mapping[str, str]] = {
    "fr": {
        "title": "Synthèse par opérateur",
        "month": "Mois",
        "customer": "Référence client",
        "made": "Établi le",
        "overview": "Vue d’ensemble",
        "sites": "Sites",
        "reported": "Sites avec un rapport",
        "few": "Sites trop peu observés pour conclure",
        "kept": "Engagement tenu",
        "missed": "Engagement non tenu",
        "incidents": "Incidents",
        "restore_missed": "Rétablissements hors délai (GTR)",
        "down": "Durée d’interruption",
        "unknown": "Durée non observée",
        "ims_exceeded": "Sites au-delà de l’interruption maximale (IMS)",
        "penalties": "Pénalités proposées",
        "league": "Sites, de la disponibilité la plus basse à la plus haute",
        "league_note": "Disponibilité contractuelle sur les heures couvertes par le contrat ; "
        "à côté, la part de ces heures qui a été observée. Le temps non observé n’est jamais "
        "compté comme une interruption.",
        "site": "Site",
        "commune": "Commune",
        "circuit": "Ligne",
        "availability": "Disponibilité",
        "bounds": "bornes",
        "target": "Engagement",
        "coverage": "Observé",
        "gtr": "Hors GTR",
        "ims": "IMS utilisée",
        "charge": "Pénalités",
        "report": "Rapport",
        "inconclusive": "Sites trop peu observés pour conclure",
        "inconclusive_note": "Moins de %s des heures couvertes ont été observées. Aucune "
        "conclusion n’est tirée de ces chiffres.",
        "shared": "Incidents communs à plusieurs sites",
        "shared_note": "Même cause, début à moins d’une minute, sur des lignes du même opérateur : "
        "cela désigne son réseau plutôt que chaque site. Deux pannes peuvent aussi coïncider.",
        "cause": "Cause",
        "start": "Début",
        "end": "Fin",
        "lasts": "en cours",
        "failed": "Sites sans rapport",
        "why": "Raison",
        "none": "Aucun.",
        "partial": "Mois non terminé : chiffres provisoires.",
        "contract_differs": "le contrat de l’agent n’est pas celui de l’inventaire",
        "operator_differs": "l’opérateur de l’agent n’est pas celui de l’inventaire",
        "notes": "Remarques",
        "edge": "Les débuts et fins d’incident sont connus à %s près ; les durées sont exactes.",
        "recompute": "Recalculer ces chiffres",
        "from_agents": "Chaque chiffre vient du registre tenu sur le site par son agent, relu dans "
        "son dossier de preuves et vérifié.",
        "from_prometheus": "Les chiffres viennent des compteurs des agents, relevés par Prometheus : "
        "ni exclusions ni tickets n’y figurent.",
        "from_influx": "Les chiffres viennent des points envoyés par les agents : ni exclusions ni "
        "tickets n’y figurent.",
        "verify": "Le dossier de preuves de chaque site (netwatch-….zip, empreinte SHA-256 dans "
        "sites.csv) contient de quoi tout recalculer : netwatch verify le fait et nomme tout "
        "chiffre qui diffère.",
        "proposal": "Les pénalités sont une proposition, détaillée ligne à ligne dans le rapport "
        "de chaque site.",
    },
    "en": {
        "title": "Summary by operator",
        "month": "Month",
        "customer": "Customer number",
        "made": "Made on",
        "overview": "Overview",
        "sites": "Sites",
        "reported": "Sites with a report",
        "few": "Sites watched too little to conclude",
        "kept": "Commitment kept",
        "missed": "Commitment not kept",
        "incidents": "Incidents",
        "restore_missed": "Restored too late (GTR)",
        "down": "Downtime",
        "unknown": "Time not watched",
        "ims_exceeded": "Sites beyond the yearly interruption (IMS)",
        "penalties": "Proposed penalties",
        "league": "Sites, the lowest availability first",
        "league_note": "Contractual availability over the hours that the contract covers; beside "
        "it, the share of them that was watched. Time that was not watched is never counted as "
        "an interruption.",
        "site": "Site",
        "commune": "Commune",
        "circuit": "Line",
        "availability": "Availability",
        "bounds": "bounds",
        "target": "Commitment",
        "coverage": "Watched",
        "gtr": "Beyond GTR",
        "ims": "IMS used",
        "charge": "Penalties",
        "report": "Report",
        "inconclusive": "Sites watched too little to conclude",
        "inconclusive_note": "Less than %s of the covered hours was watched. Nothing is concluded "
        "from these figures.",
        "shared": "Incidents that several sites had together",
        "shared_note": "The same cause, begun within a minute, on lines of one operator: that "
        "points to its network rather than to each site. Two faults may coincide too.",
        "cause": "Cause",
        "start": "Start",
        "end": "End",
        "lasts": "goes on",
        "failed": "Sites without a report",
        "why": "Reason",
        "none": "None.",
        "partial": "The month is not over: provisional figures.",
        "contract_differs": "the agent’s contract is not the inventory’s",
        "operator_differs": "the agent’s operator is not the inventory’s",
        "notes": "Remarks",
        "edge": "Beginnings and ends of incidents are known to within %s; durations are exact.",
        "recompute": "Recomputing these figures",
        "from_agents": "Each figure is from the books that the site’s agent keeps there, read from "
        "its evidence bundle and verified.",
        "from_prometheus": "The figures are from the agents’ counters as Prometheus scraped them: "
        "neither exclusions nor tickets are in them.",
        "from_influx": "The figures are from the points that agents pushed: neither exclusions nor "
        "tickets are in them.",
        "verify": "Each site’s evidence bundle (netwatch-….zip, SHA-256 in sites.csv) holds all "
        "that it takes to recompute them: netwatch verify does it, and names any figure that "
        "differs.",
        "proposal": "Penalties are a proposal, told line by line in each site’s report.",
    },
}
