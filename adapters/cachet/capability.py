"""The capabilities of a Cachet v3 page."""

from __future__ import annotations

from adapters.statuspages import PAGE_IMPACTS, SERVICES, STATUS, TEXT, TITLE, TITLE_LIMIT
from hub.domain.capability import Capabilities, CreateSafety, FieldCapability, KindCapability, Rate
from hub.domain.values import INCIDENT, UPDATE

COMPONENTS_STAY = (
    "component statuses are set when an incident is made and not changed afterwards: Cachet requires a public sentence with"
    " every change of them; set impact_message to allow it"
)


def capabilities(impacts_later: bool) -> Capabilities:
    """impacts_later: whether the setting `impact_message` is set, so that components may change later."""
    return Capabilities(
        vendor="cachet",
        title="Cachet",
        kinds={
            INCIDENT: KindCapability(
                create=CreateSafety.FINDABLE,
                adoptable=True,
                fields={
                    STATUS: FieldCapability(),
                    TITLE: FieldCapability(max_length=TITLE_LIMIT),
                    TEXT: FieldCapability(),
                    PAGE_IMPACTS: FieldCapability(many="map", write="always" if impacts_later else "create"),
                    SERVICES: FieldCapability(write="never", many="set", consequence=True),
                },
            ),
            UPDATE: KindCapability(
                create=CreateSafety.FINDABLE,
                deletes=True,
                fields={"text": FieldCapability()},
            ),
        },
        public=True,
        read_lag=1.0,
        request_limit=30.0,
        webhooks="none",
        rates=(Rate(300, 60.0),),
        concurrency=2,
        poll=(20.0, 120.0),
        degraded=() if impacts_later else (COMPONENTS_STAY,),
    )
