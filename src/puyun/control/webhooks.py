"""`/webhooks`, `/deliveries`, `/events`: what happened, and where it is sent, by the services of the pages under Settings."""

from typing import Annotated, NoReturn

from fastapi import APIRouter, Path, Query, Response
from sqlalchemy import Connection

from puyun.control.access import Caller, EventsReader, WebhooksReader, WebhooksWriter
from puyun.control.once import Once, once
from puyun.control.shapes import (
    DeliveryShape,
    EventShape,
    Page,
    WebhookAsked,
    WebhookChange,
    WebhookGone,
    WebhookMade,
    WebhookShape,
)
from puyun.control.texts import moment
from puyun.kit.errors import PuyunError
from puyun.kit.ids import format_id, parse_id
from puyun.notices.kinds import Kind, told, visible
from puyun.storage.control.tokens import Bearer
from puyun.storage.engine import reading
from puyun.storage.notify.events import page_of_events
from puyun.storage.webhooks.deliveries import (
    MESSAGE,
    Delivery,
    State,
    Wanted,
    delivery_number,
    find_delivery,
    page_of_deliveries,
    queue_ping,
    replay,
)
from puyun.storage.webhooks.webhooks import (
    PREFIX,
    Made,
    Status,
    Webhook,
    change_webhook,
    create_webhook,
    delete_webhook,
    find_webhook,
    list_webhooks,
    pause_webhook,
    resume_webhook,
    rotate_secret,
)

router = APIRouter()

WebhookId = Annotated[str, Path(alias="webhook", max_length=40, description="`wh_…`")]
DeliveryId = Annotated[str, Path(alias="delivery", max_length=40, description="`msg_…`, its `webhook-id`.")]
CursorText = Annotated[
    str | None, Query(alias="cursor", max_length=40, description="`next_cursor` of the page before.")
]


# --- webhooks ------------------------------------------------------------------------------------------------------
@router.get("/webhooks", tags=["webhooks"], summary="List webhooks, the newest first")
def all_webhooks(caller: WebhooksReader) -> Page[WebhookShape]:
    """All of them: there are few."""
    with reading(caller.deps.engine) as connection:
        data = [_shown(hook) for hook in list_webhooks(connection, caller.org)]
    return Page(data=data, next_cursor=None)


@router.get("/webhooks/{webhook}", tags=["webhooks"], summary="One webhook")
def get_webhook(caller: WebhooksReader, webhook: WebhookId) -> WebhookShape:
    with reading(caller.deps.engine) as connection:
        return _shown(find_webhook(connection, caller.org, webhook))


@router.post("/webhooks", tags=["webhooks"], status_code=201, response_model=WebhookMade, summary="Create a webhook")
def add_webhook(caller: WebhooksWriter, write: Once, asked: WebhookAsked) -> Response:
    def act(connection: Connection, bearer: Bearer) -> WebhookMade:
        made = create_webhook(
            connection,
            bearer.organization.id,
            asked.url,
            asked.kinds or tuple(Kind),
            keeper=caller.deps.keeper,
            by=bearer.user.email,
            now=caller.now,
        )
        return _made(made)

    return once(caller, write, 201, act)


@router.patch("/webhooks/{webhook}", tags=["webhooks"], response_model=WebhookShape, summary="Change a webhook")
def alter_webhook(caller: WebhooksWriter, write: Once, webhook: WebhookId, asked: WebhookChange) -> Response:
    """What is left out stays. `paused`: true calls off what waits, false also turns on one that was turned off."""

    def act(connection: Connection, bearer: Bearer) -> WebhookShape:
        hook = find_webhook(connection, bearer.organization.id, webhook)
        if asked.url is not None or asked.kinds is not None:
            url = hook.url if asked.url is None else asked.url
            kinds = hook.kinds if asked.kinds is None else asked.kinds
            hook = change_webhook(connection, hook, url, kinds, keeper=caller.deps.keeper)
        if asked.paused is False:
            hook = resume_webhook(connection, hook)
        elif asked.paused and hook.status is Status.ACTIVE:
            hook = pause_webhook(connection, hook)
        return _shown(hook)

    return once(caller, write, 200, act)


@router.delete("/webhooks/{webhook}", tags=["webhooks"], response_model=WebhookGone, summary="Delete a webhook")
def remove_webhook(caller: WebhooksWriter, write: Once, webhook: WebhookId) -> Response:
    def act(connection: Connection, bearer: Bearer) -> WebhookGone:
        hook = find_webhook(connection, bearer.organization.id, webhook)
        delete_webhook(connection, hook, caller.now)
        return WebhookGone(id=format_id(PREFIX, hook.id), deleted=True)

    return once(caller, write, 200, act)


@router.post(
    "/webhooks/{webhook}/rotate",
    tags=["webhooks"],
    status_code=201,
    response_model=WebhookMade,
    summary="Rotate the secret of a webhook",
)
def renew_secret(caller: WebhooksWriter, write: Once, webhook: WebhookId) -> Response:
    """For 24 hours deliveries are signed with the secret before as well."""

    def act(connection: Connection, bearer: Bearer) -> WebhookMade:
        hook = find_webhook(connection, bearer.organization.id, webhook)
        return _made(rotate_secret(connection, hook, keeper=caller.deps.keeper, now=caller.now))

    return once(caller, write, 201, act)


@router.post(
    "/webhooks/{webhook}/test",
    tags=["webhooks"],
    status_code=202,
    response_model=DeliveryShape,
    summary="Send a test to a webhook",
)
def send_test(caller: WebhooksWriter, write: Once, webhook: WebhookId) -> Response:
    """A `test.ping`, also to one that is paused."""

    def act(connection: Connection, bearer: Bearer) -> DeliveryShape:
        return _sent(queue_ping(connection, find_webhook(connection, bearer.organization.id, webhook), caller.now))

    return once(caller, write, 202, act)


# --- deliveries ----------------------------------------------------------------------------------------------------
@router.get("/deliveries", tags=["webhooks"], summary="Deliveries of 30 days, the newest first")
def list_deliveries(
    caller: WebhooksReader,
    webhook: Annotated[str | None, Query(max_length=40)] = None,
    status: State | None = None,
    cursor: CursorText = None,
) -> Page[DeliveryShape]:
    before = None if cursor is None else delivery_number(cursor)
    if cursor is not None and before is None:
        _unknown_cursor()
    with reading(caller.deps.engine) as connection:
        hook = None if webhook is None else find_webhook(connection, caller.org, webhook).id
        wanted = Wanted(webhook=hook, status=status, before=before)
        found, after = page_of_deliveries(connection, caller.org, wanted)
    return Page(data=[_sent(each) for each in found], next_cursor=None if after is None else format_id(MESSAGE, after))


@router.get("/deliveries/{delivery}", tags=["webhooks"], summary="One delivery")
def get_delivery(caller: WebhooksReader, delivery: DeliveryId) -> DeliveryShape:
    with reading(caller.deps.engine) as connection:
        return _sent(find_delivery(connection, caller.org, delivery))


@router.post(
    "/deliveries/{delivery}/replay",
    tags=["webhooks"],
    status_code=202,
    response_model=DeliveryShape,
    summary="Send a delivery again",
)
def replay_delivery(caller: WebhooksWriter, write: Once, delivery: DeliveryId) -> Response:
    """With the same `webhook-id` and the same body."""

    def act(connection: Connection, bearer: Bearer) -> DeliveryShape:
        return _sent(replay(connection, find_delivery(connection, bearer.organization.id, delivery), caller.now))

    return once(caller, write, 202, act)


# --- events --------------------------------------------------------------------------------------------------------
@router.get("/events", tags=["events"], summary="What happened, the newest first")
def list_events(caller: EventsReader, kind: Kind | None = None, cursor: CursorText = None) -> Page[EventShape]:
    """The kinds that the token's user may see in the portal."""
    before = None
    if cursor is not None:
        try:
            before = parse_id("evt", cursor)
        except ValueError:
            _unknown_cursor()
        if before >= 1 << 63:
            _unknown_cursor()
    kinds = _visible(caller, kind)
    with reading(caller.deps.engine) as connection:
        page = page_of_events(connection, caller.org, kinds, before=before)
    data = [
        EventShape(
            id=format_id("evt", event.id),
            type=event.kind,
            version=event.payload.version,
            timestamp=moment(event.at),
            data=told(event.payload),
        )
        for event in page.rows
    ]
    return Page(data=data, next_cursor=None if page.before is None else format_id("evt", page.before))


def _visible(caller: Caller, kind: Kind | None) -> tuple[Kind, ...]:
    kinds = visible(caller.bearer.role)
    if kind is None:
        return kinds
    if kind not in kinds:
        raise PuyunError("not_permitted", 403, f"As {caller.bearer.role} the token's user may not see {kind}.")
    return (kind,)


def _shown(hook: Webhook) -> WebhookShape:
    return WebhookShape(
        id=format_id(PREFIX, hook.id),
        url=hook.url,
        kinds=list(hook.kinds),
        status=hook.status,
        failing_since=None if hook.failing_since is None else moment(hook.failing_since),
        overlap_until=None if hook.overlap_until is None else moment(hook.overlap_until),
        created=moment(hook.created_at),
    )


def _made(made: Made) -> WebhookMade:
    return WebhookMade(**_shown(made.webhook).model_dump(), secret=made.secret)


def _sent(one: Delivery) -> DeliveryShape:
    return DeliveryShape(
        id=format_id(MESSAGE, one.id),
        webhook=format_id(PREFIX, one.webhook),
        event=None if one.event is None else format_id("evt", one.event),
        type=one.kind,
        body=one.body,
        status=one.status,
        tries=one.tries,
        next_try=None if one.next_at is None else moment(one.next_at),
        created=moment(one.created_at),
        tried=None if one.tried_at is None else moment(one.tried_at),
        took_ms=one.took_ms,
        code=one.code,
        answer=one.answer,
        error=one.error,
    )


def _unknown_cursor() -> NoReturn:
    raise PuyunError("invalid_cursor", 422, "Send a cursor as the page before gave it.", param="cursor")
