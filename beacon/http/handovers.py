"""Ways on from a dataset's answers (Beacon v2 ``Handover``): htsget, DRS, a person to write to."""

from __future__ import annotations

from typing import Any

from beacon.model.access import Granularity
from beacon.privacy.rules import Protected
from beacon.settings import SiteSettings


def handovers(settings: SiteSettings, protected: Protected) -> list[dict[str, Any]]:
    """Return what a dataset's result set lists as ``resultsHandovers``; nothing where the list is empty.

    Made from the settings and the protected answer alone, so that it can tell no more than that answer does: a
    handover is shown where the answer is at least as deep as the handover's ``granularity``, and not a plain no.
    An answer that withholds whether there is anything shows the same, whether there is or not.
    """
    if not (protected.exists or protected.withheld):
        return []
    return [
        {"handoverType": {"id": one.type_id, "label": one.type_label}, "url": one.url}
        | ({} if one.note is None else {"note": one.note})
        for one in settings.handovers
        if one.dataset == protected.dataset and Granularity.parse(one.granularity) <= protected.granularity
    ]
