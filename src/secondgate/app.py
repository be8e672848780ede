"""The composition root: the only module that knows everyone. Three listeners; start, reload, drain.

SIGHUP reads the configuration again, and so does a change of its file (`reload`). SIGTERM and SIGINT stop accepting,
finish what is under way, and stop.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import ssl
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import structlog
import uvloop
from aiohttp import hdrs, web
from aiohttp.http_exceptions import HttpProcessingError

from secondgate.admin.calls import Administration
from secondgate.admin.server import make_admin
from secondgate.administration.managed import ManagedAccess
from secondgate.config import ListenAddress, Settings
from secondgate.connections import SERVER_NAME, BoundedRunner
from secondgate.flows.audit_retention import LOOKED_AT_EVERY_S, prune_audit_log
from secondgate.flows.keys import rotate_keys_when_due
from secondgate.flows.machines import KnownServiceTokens
from secondgate.flows.metadata_age import verify_not_older
from secondgate.flows.presented_jwts import PresentedJwts
from secondgate.flows.provider_documents import ProviderDocuments
from secondgate.flows.refresh import heard, kept_fresh, refresh, repeated
from secondgate.flows.services import Services
from secondgate.gate.context import Gate, IdentityHeaderNames
from secondgate.gate.protocol import FAST_PATH, GateRunner
from secondgate.gate.server import make_gate
from secondgate.listening import BACKLOG, cannot_listen, remove_left_over
from secondgate.logs import configure_logs
from secondgate.model.application import Application
from secondgate.portal.context import Portal
from secondgate.portal.pages import Choice, Frame, MessageKind, MessagePage, render
from secondgate.portal.server import make_portal
from secondgate.protocol.identity_headers import IdentityHeaders
from secondgate.protocol.jwt import KeyRing, new_signing_key
from secondgate.protocol.metadata import Metadata
from secondgate.protocol.webauthn import RelyingParty
from secondgate.proxied import ProxyTrust
from secondgate.reload import LOOK_EVERY_S, Reload
from secondgate.store.authenticator_models import AuthenticatorModels, learn_models
from secondgate.store.embedded import EmbeddedLiveStore
from secondgate.store.embedded_changes import EmbeddedChanges
from secondgate.store.mail import OutboxMailer, SmtpMailer
from secondgate.store.opening import Opened, open_durable
from secondgate.store.outgoing import HttpOutgoing
from secondgate.store.ports import ChangeKind, Changes, LiveStore, Mailer
from secondgate.store.redis import RedisLiveStore
from secondgate.store.redis_changes import LISTENER_CONNECTIONS, RedisChanges
from secondgate.store.redis_pool import connect_redis
from secondgate.store.sessions import Sessions
from secondgate.worker import Worker

log = structlog.get_logger("secondgate.app")

DRAIN_S = 10.0
STOP_WITHIN_S = 2 * DRAIN_S + 5.0
"""By when a process that drains has ended: requests are waited for, then the work that goes on after answers."""
ROTATION_LOOKED_AT_EVERY_S = 60.0
"""How often it is asked whether the signing key has to be replaced."""
MANAGED_EVERY_S = 1.0
"""How often it is asked whether another replica changed managed objects."""
COUNTED_EVERY_S = 0.1
"""How often what was answered in front of the parser is added to the metrics: a worker that is killed loses no more."""
MAX_FIELD_BYTES = 128 * 1024
Clock = Callable[[], float]


class Background:
    """Work that goes on after an answer; `drain` waits for it."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def __call__(self, work: Coroutine[None, None, None], /) -> None:
        """Start `work`."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def drain(self) -> None:
        """Wait for what is under way, for a while."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=DRAIN_S)


@asynccontextmanager
async def open_services(
    settings: Settings,
    *,
    clock: Clock = time.time,
    managed: ManagedAccess | None = None,
    file: str = "the configuration",
    models: Callable[[], Metadata] | None = None,
) -> AsyncIterator[Services]:
    """Open the stores and make the flows' services; closes them in the end.

    `file` is what the configuration was read from. Raises InvalidConfiguration, StartRefused, Unavailable.
    """
    managed = managed or ManagedAccess(account_id=settings.account_id)
    if settings.manages_access:
        managed.manage_by_file(settings.access, file=file, now=int(clock()))
    background = Background()
    opened = await open_durable(
        data_dir=settings.storage.data_dir, database_url=settings.storage.database.reveal(), now=int(clock())
    )
    live, changes = _live_store(settings, opened, clock)
    outgoing = HttpOutgoing()
    jwts = PresentedJwts([jwt.source() for jwt in settings.identity.jwt], outgoing, clock=clock)
    try:
        await managed.manage_by_store(opened.durable, changes)
        keys = await _key_ring(settings, opened, now=int(clock()))
        service_tokens = KnownServiceTokens(await opened.durable.list_service_tokens())
        yield Services(
            portal_origin=settings.portal_origin,
            origin_of=settings.application_origin,
            access=managed,
            durable=opened.durable,
            live=live,
            changes=changes,
            sessions=Sessions(live),
            sealer=opened.sealer,
            mailer=_mailer(settings, clock),
            outgoing=outgoing,
            documents=ProviderDocuments(outgoing, clock=clock),
            jwts=jwts,
            keys=keys,
            relying_party=RelyingParty(
                settings.portal_host, managed().rulebook.organization.name, settings.portal_origin
            ),
            authenticator_metadata=models or AuthenticatorModels(settings.webauthn.metadata_file, clock=clock),
            mac_key=opened.sealer.derive("browser-mac"),
            clock=clock,
            random_bytes=os.urandom,
            spawn=background,
            service_tokens=service_tokens,
        )
    finally:
        await background.drain()
        await jwts.close()
        await outgoing.close()
        await live.close()
        await opened.durable.close()


def run(
    settings: Settings,
    *,
    clock: Clock = time.time,
    config: tuple[str, Mapping[str, str]] | None = None,
    worker: Worker | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT. `config` is where a reload reads from: the file and the environment.

    `worker` is given in a process that is one of several: it serves on the sockets that it inherited.
    """
    configure_logs(settings.log_level)
    if worker is None:
        uvloop.run(serve(settings, clock=clock, config=config))
        return
    worker.name_logs()
    try:
        uvloop.run(serve(settings, clock=clock, config=config, started=worker.tell_ready, worker=worker))
    finally:
        worker.close()


async def serve(
    settings: Settings,
    *,
    clock: Clock = time.time,
    config: tuple[str, Mapping[str, str]] | None = None,
    started: Callable[[], None] | None = None,
    worker: Worker | None = None,
) -> None:
    """Serve in the running loop until SIGTERM or SIGINT; `started` is called when all three listeners answer."""
    managed = ManagedAccess(account_id=settings.account_id)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if worker is not None:
        worker.watch(stop)
    loop.add_signal_handler(signal.SIGHUP, lambda: None)  # before all is open: what changes now is found then
    file = config[0] if config else "the configuration"
    async with AsyncExitStack() as stack:
        opened = open_services(settings, clock=clock, managed=managed, file=file)
        services = await stack.enter_async_context(opened)
        await stack.enter_async_context(kept_fresh(services))
        await stack.enter_async_context(
            repeated(lambda: rotate_keys_when_due(services), every_s=ROTATION_LOOKED_AT_EVERY_S)
        )
        await stack.enter_async_context(repeated(managed.refresh, every_s=MANAGED_EVERY_S))
        reads = {
            ChangeKind.ACCESS: managed.refresh,
            ChangeKind.SIGNING_KEYS: lambda: refresh(services),
            ChangeKind.SERVICE_TOKENS: lambda: refresh(services),
        }
        await stack.enter_async_context(heard(services, reads))
        if (kept_s := settings.audit.retention.seconds) is not None:
            pruned = repeated(lambda: prune_audit_log(services, retention_s=kept_s), every_s=LOOKED_AT_EVERY_S)
            await stack.enter_async_context(pruned)
        services.jwts.renew_keys()
        if config is not None:
            reload = Reload(managed, config, settings, renewed=services.jwts.renew_keys, clock=clock)
            loop.add_signal_handler(signal.SIGHUP, reload.now)
            await stack.enter_async_context(repeated(reload.look, every_s=LOOK_EVERY_S))
        learn_models(
            services.authenticator_metadata,
            required_aaguids=managed().rulebook.organization.mfa.required_aaguids,
            has_file=settings.webauthn.metadata_file is not None,
        )
        if settings.webauthn.metadata_file is not None:
            await verify_not_older(services)
        runners = []
        try:
            listeners = _listeners(settings, services, managed)
            counted = repeated(_counting(listeners["gate"]), every_s=COUNTED_EVERY_S)
            await stack.enter_async_context(counted)
            for name, app in listeners.items():
                runner = new_runner(app)
                await runner.setup()
                runners.append(runner)
                address: ListenAddress = getattr(settings.listen, name)
                await _listen(runner, name, address, worker)
            if started is not None:
                started()
            await stop.wait()
            log.info("stopping")
        finally:
            await asyncio.gather(*(runner.cleanup() for runner in runners))


def _counting(gate: web.Application) -> Callable[[], Coroutine[None, None, None]]:
    """Give what adds to the metrics what the gate answered in front of its parser."""

    async def count() -> None:
        gate[FAST_PATH].count()

    return count


def new_runner(app: web.Application) -> web.AppRunner:
    """Make what serves a listener.

    A field may be 128 KiB long: a proxy that passes more on than is read here gets its connection closed while it
    still writes, and tells its client of an error of ours.
    """
    runner = GateRunner if FAST_PATH in app else BoundedRunner
    return runner(
        app,
        access_log=None,
        logger=_http_log(),
        handle_signals=False,
        shutdown_timeout=DRAIN_S,
        max_field_size=MAX_FIELD_BYTES,
        max_line_size=MAX_FIELD_BYTES,
    )


def _http_log() -> logging.Logger:
    """Give the log of requests that are no HTTP. Their errors quote what was sent, so the quotation is left out."""

    def without_quotation(record: logging.LogRecord) -> bool:
        if record.exc_info and isinstance(record.exc_info[1], HttpProcessingError):
            record.exc_info = None
        return True

    http_log = logging.getLogger("secondgate.http")
    http_log.filters[:] = [without_quotation]
    return http_log


async def _name_server(_: web.Request, response: web.StreamResponse) -> None:
    """Keep the names and versions of what we are made of to ourselves."""
    response.headers[hdrs.SERVER] = SERVER_NAME


async def _listen(runner: web.AppRunner, name: str, address: ListenAddress, worker: Worker | None) -> None:
    if worker is not None:
        for site in worker.sites(runner, name):
            await site.start()
        return  # the supervisor says, once for all workers, that it listens
    try:
        if address.path:
            remove_left_over(address.path)
            await web.UnixSite(runner, address.path).start()
        else:
            await web.TCPSite(runner, address.host, address.port, backlog=BACKLOG).start()
    except OSError as error:
        raise cannot_listen(name, str(address), error) from error
    log.info("listening", listener=name, address=str(address))


def _listeners(settings: Settings, services: Services, managed: ManagedAccess) -> dict[str, web.Application]:
    trust = ProxyTrust(
        settings.trusted_proxies,
        settings.proxy_secret,
        tuple(
            IdentityHeaders(h.email, h.name or "", h.groups or "", h.groups_separator, h.amr or "", h.auth_time or "")
            for h in settings.identity.headers
        ),
        services.jwts.sources,
    )
    names = settings.identity_headers
    gate = Gate(
        services=services,
        trust=trust,
        names=IdentityHeaderNames(names.user, names.email, names.name, names.groups),
        secure=settings.secure,
        refusal_page=lambda application: _refusal_page(services, application),
    )
    portal = Portal(services, trust, settings.portal_host, settings.secure)
    administration = Administration(services, managed, settings.account_id, settings.portal_host)
    gate_listener = make_gate(gate)
    listeners = {
        "gate": gate_listener,
        "portal": make_portal(portal),
        "admin": make_admin(administration, before_metrics=gate_listener[FAST_PATH].count),
    }
    for app in listeners.values():
        app.on_response_prepare.append(_name_server)
    return listeners


def _refusal_page(services: Services, application: Application | None) -> str:
    frame = Frame(organization=services.access().rulebook.organization.name, static_origin=services.portal_origin)
    way_on = Choice("Go to your applications", f"{services.portal_origin}/")
    if application and application.custom_deny_url:
        way_on = Choice("Find out more", application.custom_deny_url)
    return render(
        MessagePage(
            frame=frame,
            kind=MessageKind.REFUSED,
            application=application.name if application else "",
            detail=application.custom_deny_message if application else "",
            way_on=way_on,
        )
    )


def _live_store(settings: Settings, opened: Opened, clock: Clock) -> tuple[LiveStore, Changes]:
    """Make the live store, and what tells of its changes."""
    url = settings.storage.redis.reveal()
    if not url:
        embedded = EmbeddedChanges(opened.database, clock=clock)
        return EmbeddedLiveStore(opened.database, clock=clock, changes=embedded), embedded
    client = connect_redis(url)
    listening = partial(connect_redis, url, max_connections=LISTENER_CONNECTIONS)
    return RedisLiveStore(client), RedisChanges(client, listening)


def _mailer(settings: Settings, clock: Clock) -> Mailer | None:
    mail = settings.mail
    if mail is None:
        return None
    if mail.outbox is not None:
        return OutboxMailer(mail.outbox, sender=mail.from_, clock=clock)
    if mail.smtp is None:
        return None
    return SmtpMailer(mail.smtp.reveal(), sender=mail.from_, clock=clock, tls_context=ssl.create_default_context())


async def _key_ring(settings: Settings, opened: Opened, *, now: int) -> KeyRing:
    """Load the signing keys; at the first start one is made, and when the algorithm changed."""
    while True:
        rotation = await opened.durable.load_key_rotation()
        keys = await opened.durable.list_signing_keys()
        if keys and keys[0].algorithm is settings.signing_algorithm:
            return KeyRing(keys)
        made_at = max(now, keys[0].created_at + 1) if keys else now
        key = new_signing_key(
            settings.signing_algorithm, now=made_at, name=settings.portal_host, random_bytes=os.urandom
        )
        await opened.durable.add_signing_key(key, expected_version=rotation.version)
