"""How deeply each dataset answers one asker.

Everything fails closed: what is not said is not allowed. Nobody gets less for being better known: a grantee
gets at least what registered people get, and they at least what strangers get, as far as the level admits. Then
consent may lower it, and a local refusal beats everything. The file in which a custodian says all this is read by
``beacon.auth.policy_file``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from beacon.auth.consent import consented
from beacon.errors import Forbidden, Unauthenticated
from beacon.model.access import (
    Agreement,
    Asker,
    DatasetPolicy,
    Decision,
    Granularity,
    Level,
    Principal,
    Purpose,
)
from beacon.model.properties import paths

KINDS: Final = (Asker.STRANGER, Asker.REGISTERED, Asker.GRANTED)
LEVELS: Final = (Level.PUBLIC, Level.REGISTERED, Level.CONTROLLED)
NO_PURPOSE: Final = Purpose()


def decide(
    policies: Mapping[str, DatasetPolicy],
    principal: Principal,
    *,
    wanted: tuple[str, ...] | None,
    purpose: Purpose = NO_PURPOSE,
) -> tuple[Decision, ...]:
    """Decide on every dataset that this asker may know of, sorted by id.

    ``wanted`` names the datasets asked for, None means all. A name that does not exist and one that answers
    this asker nothing are the same: passed over, and where nothing is left the same refusal.

    Raises ``Unauthenticated`` (nobody in particular asks) or ``Forbidden`` (a person asks) where no dataset
    is left.
    """
    # All are decided on, whatever is asked for: what a name costs must not tell whether there is such a dataset.
    known = [one for one in every_decision(policies, principal, purpose) if one.granularity > Granularity.NONE]
    if decisions := tuple(one for one in known if wanted is None or one.dataset in wanted):
        return decisions
    raise refusal(principal, everything=wanted is None)


def every_decision(
    policies: Mapping[str, DatasetPolicy], principal: Principal, purpose: Purpose = NO_PURPOSE
) -> tuple[Decision, ...]:
    """Decide on every dataset there is, sorted by id; those that this asker may not know of are ``NONE``."""
    return tuple(decide_one(name, policies[name], principal, purpose) for name in sorted(policies))


def refusal(principal: Principal, *, everything: bool) -> Unauthenticated | Forbidden:
    """Make the one error that answers whoever may know of none of the datasets asked for."""
    asked = "dataset here" if everything else "dataset of those asked for"
    if principal.person is None:
        return Unauthenticated(f"No {asked} answers without a login; log in and send a bearer token.")
    return Forbidden(f"No {asked} answers you; ask the data's custodian for access.")


def decide_one(dataset: str, policy: DatasetPolicy, principal: Principal, purpose: Purpose = NO_PURPOSE) -> Decision:
    """Decide on one dataset; granularity ``NONE`` means that this asker may not even know of it.

    ``reasons`` name everything that kept the answer from being all records with all properties:
    ``level:controlled``, ``ceiling:stranger=boolean``, ``node:ceiling=public``, ``node:no_visa``,
    ``node:max_granularity=count``,
    ``consent:undecided=purpose``, ``withheld:individual.ethnicity``; for the custodian also ``refused`` and
    ``consent:refused=DUO:0000007``, which lead to ``NONE``.
    """
    reasons: list[str] = []
    asker, rule = _asker(policy, principal)
    if principal.node is not None:
        if principal.person in policy.granted and asker is not Asker.GRANTED:
            reasons.append("node:no_visa")  # a grant is never given on a node's word alone
        # A node's word reaches as high as its ceiling: it can make nobody a grantee below controlled.
        highest = KINDS[LEVELS.index(principal.ceiling)]
        if KINDS.index(asker) > KINDS.index(highest):
            asker = highest
            reasons.append(f"node:ceiling={principal.ceiling.value}")
    lowest = LEVELS.index(policy.level)  # levels and kinds are the same ladder
    admitted = KINDS[lowest : KINDS.index(asker) + 1]
    granularity = max((ceiling(policy, kind) for kind in admitted), default=Granularity.NONE)
    if not admitted:
        reasons.append(f"level:{policy.level.value}")
    elif granularity < Granularity.RECORD:
        reasons.append(f"ceiling:{asker.value}={granularity.label}")
    if principal.max_granularity < granularity:
        granularity = principal.max_granularity
        reasons.append(f"node:max_granularity={granularity.label}")
    outcome = None if policy.consent is None else consented(policy.consent, purpose)
    if policy.consent is not None and outcome is not None:
        most = _MOST[outcome.agreement]
        most = policy.consent.fallback if most is None else most
        if most < granularity:
            granularity = most
            reasons.append(f"consent:{outcome.agreement.value}={','.join(outcome.because)}")
    if rule == "refused":
        granularity, reasons = Granularity.NONE, ["refused"]
    reach = KINDS.index(asker)
    kept = {
        (one.entry_type, one.field) for one in policy.withheld if one.level is None or LEVELS.index(one.level) > reach
    }
    withheld = frozenset((kind, path) for kind, field in kept for path in paths(kind, field))
    reasons += [f"withheld:{entry_type}.{field}" for entry_type, field in sorted(kept)]
    return Decision(
        dataset,
        granularity,
        asker,
        policy.level,
        policy.threshold,
        tuple(reasons),
        rule=rule,
        withheld=withheld,
        consent=outcome,
    )


_MOST: Final[Mapping[Agreement, Granularity | None]] = {
    Agreement.PERMITTED: Granularity.RECORD,
    Agreement.UNDECIDED: None,
    Agreement.REFUSED: Granularity.NONE,
}
"""The most that is answered after each outcome; None is the dataset's own fallback."""


def _asker(policy: DatasetPolicy, principal: Principal) -> tuple[Asker, str]:
    """Say what somebody is to a dataset, and by which rule."""
    person = principal.person
    if person is None:
        return Asker.STRANGER, "none"
    if person in policy.refused or not policy.refused.isdisjoint(principal.identities):
        return Asker.STRANGER, "refused"
    if person in policy.granted and principal.node is None:
        return Asker.GRANTED, "list"
    if not policy.visas.isdisjoint(principal.grants()):
        return Asker.GRANTED, "visa"
    if person in policy.registered or person in policy.granted:
        return Asker.REGISTERED, "list"
    return (Asker.REGISTERED, "visa") if principal.bona_fide else (Asker.STRANGER, "none")


def ceiling(policy: DatasetPolicy, kind: Asker) -> Granularity:
    """Return the most that a kind of asker gets."""
    return policy.ceilings.get(kind, Granularity.NONE)


def policy_for(level: Level, granularity: Granularity) -> DatasetPolicy:
    """Make the policy of a dataset that answers at ``granularity`` everybody whom ``level`` admits."""
    admitted = KINDS[LEVELS.index(level) :]
    return DatasetPolicy(
        level=level,
        ceilings={kind: granularity if kind in admitted else Granularity.NONE for kind in KINDS},
    )
