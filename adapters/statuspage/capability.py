"""The capabilities of a Statuspage page."""

from __future__ import annotations

from adapters.statuspages import PAGE_IMPACTS, SERVICES, SEVERITY, STATUS, TEXT, TITLE, TITLE_LIMIT
from hub.domain.capability import Capabilities, CreateSafety, FieldCapability, Gap, KindCapability, Rate
from hub.domain.values import INCIDENT, UPDATE

TEXT_LIMIT = 25_000
"""Most characters of an update's body, by the published document."""

CAPABILITIES = Capabilities(
    vendor="statuspage",
    title="Atlassian Statuspage",
    kinds={
        INCIDENT: KindCapability(
            create=CreateSafety.FINDABLE,
            adoptable=True,
            fields={
                # Every change of status creates an incident update, whoever makes it: these updates are the history.
                STATUS: FieldCapability(gap=Gap.HISTORY),
                TITLE: FieldCapability(max_length=TITLE_LIMIT),
                TEXT: FieldCapability(write="create", max_length=TEXT_LIMIT),
                # Statuspage computes it from the components until a person overrides it.
                SEVERITY: FieldCapability(consequence=True),
                PAGE_IMPACTS: FieldCapability(many="map"),
                SERVICES: FieldCapability(write="never", many="set", consequence=True),
            },
        ),
        UPDATE: KindCapability(
            create=CreateSafety.FINDABLE,
            fields={"text": FieldCapability(max_length=TEXT_LIMIT)},
        ),
    },
    public=True,
    read_lag=2.0,
    request_limit=30.0,
    answer_within=10.0,
    webhooks="secret-path",
    rates=(Rate(60, 60.0),),
    concurrency=2,
    poll=(30.0, 300.0),
)
