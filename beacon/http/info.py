"""The documents about the beacon itself, made from the table of entry types and the settings (Beacon v2, framework).

``base`` is the absolute address of the Beacon's root, without a slash at its end.
"""

from __future__ import annotations

from typing import Any

from beacon import API_VERSION, __version__
from beacon.http.endpoints import OWN_TERMS
from beacon.model.entry_types import ENTRY_TYPES, EntryType
from beacon.model.representations import ALTERNATIVES, Representation, default
from beacon.query.parse import DEFAULT_GRANULARITY
from beacon.settings import SiteSettings

OFFICIAL = "https://raw.githubusercontent.com/ga4gh-beacon/beacon-v2/main"
_CONFIGURATION = f"{OFFICIAL}/framework/json/configuration"
INFO_SCHEMAS = frozenset({"beacon-info-v2.0.0", "ga4gh-beacon-info-v2.0.0"})
SERVICE_INFO_SCHEMAS = frozenset({"ga4gh-service-info-v1.0", "ga4gh-service-info-v1.0.0", "ga4gh-service-info-1.0.0"})
"""Names of the schemas that ``/info`` can be asked for in."""
_MATURITY = {"prod": "PROD", "test": "TEST", "staging": "TEST", "dev": "DEV"}


def info(settings: SiteSettings, base: str) -> dict[str, Any]:
    """Return the ``response`` of ``/info`` (Beacon v2 ``beaconInfoResults``)."""
    organization = settings.organization
    return _given(
        id=settings.id,
        name=settings.name,
        apiVersion=API_VERSION,
        environment=settings.environment,
        organization=_given(
            id=organization.id,
            name=organization.name,
            description=organization.description,
            address=organization.address,
            welcomeUrl=organization.welcome_url,
            contactUrl=organization.contact_url,
            logoUrl=organization.logo_url,
        ),
        description=settings.description,
        welcomeUrl=organization.welcome_url or base,
        alternativeUrl=base,
        version=f"v{__version__}",
    )


def service_info(settings: SiteSettings, base: str) -> dict[str, Any]:
    """Return GA4GH service-info 1.0.0, which has no Beacon envelope."""
    organization = settings.organization
    return _given(
        id=settings.id,
        name=settings.name,
        type={"group": "org.ga4gh", "artifact": "beacon", "version": API_VERSION},
        description=settings.description,
        organization={"name": organization.name, "url": organization.welcome_url or base},
        environment=settings.environment,
        version=__version__,
    )


def configuration(settings: SiteSettings, _base: str) -> dict[str, Any]:
    """Return the ``response`` of ``/configuration``.

    All three security levels are named, whatever datasets there are: the list must not tell of hidden ones.
    """
    return {
        "$schema": f"{_CONFIGURATION}/beaconConfigurationSchema.json",
        "maturityAttributes": {"productionStatus": _MATURITY[settings.environment]},
        "securityAttributes": {
            "defaultGranularity": DEFAULT_GRANULARITY.label,
            "securityLevels": ["PUBLIC", "REGISTERED", "CONTROLLED"],
        },
        "entryTypes": entry_types(settings, _base)["entryTypes"],
    }


def entry_types(_settings: SiteSettings, _base: str) -> dict[str, Any]:
    """Return the ``response`` of ``/entry_types``."""
    return {"entryTypes": {row.id: _entry_type(row) for row in ENTRY_TYPES.values()}}


def _entry_type(row: EntryType) -> dict[str, Any]:
    term, label = row.ontology_term
    document: dict[str, Any] = {
        "id": row.id,
        "name": row.label,
        "description": row.description,
        "partOfSpecification": f"Beacon {API_VERSION}",
        "ontologyTermForThisType": {"id": term, "label": label},
        "defaultSchema": _schema(default(row)),
        "additionallySupportedSchemas": [_schema(one) for one in ALTERNATIVES.get(row.id, ())],
        "nonFilteredQueriesAllowed": True,
    }
    if row.contains:
        document["aCollectionOf"] = [{"id": kind, "name": ENTRY_TYPES[kind].label} for kind in row.contains]
    return document


def _schema(one: Representation) -> dict[str, Any]:
    return {
        "id": one.id,
        "name": one.name,
        "referenceToSchemaDefinition": one.url,
        "schemaVersion": one.version,
    }


def beacon_map(_settings: SiteSettings, base: str) -> dict[str, Any]:
    """Return the ``response`` of ``/map``; template variables bear the names of the records' id fields."""
    return {
        "$schema": f"{_CONFIGURATION}/beaconMapSchema.json",
        "endpointSets": {row.id: _endpoints(row, base) for row in ENTRY_TYPES.values()},
    }


def _endpoints(row: EntryType, base: str) -> dict[str, Any]:
    root = f"{base}/{row.path}"
    single = f"{root}/{{{row.parameter}}}"
    document: dict[str, Any] = {
        "entryType": row.id,
        "rootUrl": root,
        "singleEntryUrl": single,
        "openAPIEndpointsDefinition": f"{base}/openapi.json",
        "endpoints": {
            kind: {"returnedEntryType": kind, "url": f"{single}/{ENTRY_TYPES[kind].path}"} for kind in row.crosses
        },
    }
    document["filteringTermsUrl"] = f"{single if row.id in OWN_TERMS else root}/filtering_terms"
    return document


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
