"""The composition root: the only module that knows everyone. Three listeners; start, reload, drain.

SIGHUP reads the configuration again: its `access` part takes effect at the next request, a bad file changes
nothing and says why. SIGTERM and SIGINT stop accepting, finish what is under way, and stop.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import ssl
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import structlog
import uvloop
from aiohttp import hdrs, web
from aiohttp.http_exceptions import HttpProcessingError

from secondgate.access import compile_access
from secondgate.admin.health import make_admin
from secondgate.config import ListenAddress, Settings, load
from secondgate.errors import InvalidConfiguration, StartRefused
from secondgate.flows.machines import KnownServiceTokens
from secondgate.flows.presented_jwts import PresentedJwts
from secondgate.flows.provider_documents import ProviderDocuments
from secondgate.flows.refresh import kept_fresh
from secondgate.flows.services import Services
from secondgate.gate.server import Gate, IdentityHeaderNames, make_gate
from secondgate.logs import configure_logs
from secondgate.model.access import Access
from secondgate.model.application import Application
from secondgate.portal.context import Portal
from secondgate.portal.pages import Choice, Frame, MessageKind, MessagePage, render
from secondgate.portal.server import make_portal
from secondgate.protocol.identity_headers import IdentityHeaders
from secondgate.protocol.jwt import KeyRing, new_signing_key
from secondgate.protocol.metadata import Metadata
from secondgate.protocol.webauthn import RelyingParty
from secondgate.proxied import ProxyTrust
from secondgate.store.authenticator_models import AuthenticatorModels, learn_models
from secondgate.store.embedded import EmbeddedLiveStore
from secondgate.store.mail import OutboxMailer, SmtpMailer
from secondgate.store.opening import Opened, open_durable
from secondgate.store.outgoing import HttpOutgoing
from secondgate.store.ports import LiveStore, Mailer
from secondgate.store.redis import RedisLiveStore, connect_redis
from secondgate.store.sessions import Sessions

log = structlog.get_logger("secondgate.app")

DRAIN_S = 10.0
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


class CurrentAccess:
    """The settings of this moment; `replace` is all that a reload does."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def __call__(self) -> Access:
        """Give them."""
        return self._access

    def replace(self, access: Access) -> None:
        """Take others from the next request on."""
        self._access = access


@asynccontextmanager
async def open_services(
    settings: Settings,
    *,
    clock: Clock = time.time,
    access: Callable[[], Access] | None = None,
    models: Callable[[], Metadata] | None = None,
) -> AsyncIterator[Services]:
    """Open the stores and make the flows' services; closes them in the end.

    Raises InvalidConfiguration, StartRefused, Unavailable.
    """
    current = access or CurrentAccess(compile_access(settings.access, account_id=settings.account_id))
    background = Background()
    opened = await open_durable(
        data_dir=settings.storage.data_dir, database_url=settings.storage.database.reveal(), now=int(clock())
    )
    live = _live_store(settings, opened, clock)
    outgoing = HttpOutgoing()
    jwts = PresentedJwts([jwt.source() for jwt in settings.identity.jwt], outgoing, clock=clock)
    try:
        keys = await _key_ring(settings, opened, now=int(clock()))
        service_tokens = KnownServiceTokens(await opened.durable.list_service_tokens())
        yield Services(
            portal_origin=settings.portal_origin,
            origin_of=settings.application_origin,
            access=current,
            durable=opened.durable,
            live=live,
            sessions=Sessions(live),
            sealer=opened.sealer,
            mailer=_mailer(settings, clock),
            outgoing=outgoing,
            documents=ProviderDocuments(outgoing, clock=clock),
            jwts=jwts,
            keys=keys,
            relying_party=RelyingParty(settings.portal_host, settings.access.organization.name, settings.portal_origin),
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


def run(settings: Settings, *, clock: Clock = time.time, config: tuple[str, Mapping[str, str]] | None = None) -> None:
    """Serve until SIGTERM or SIGINT. `config` is where a reload reads from: the file and the environment."""
    configure_logs(settings.log_level)
    uvloop.run(serve(settings, clock=clock, config=config))


async def serve(
    settings: Settings,
    *,
    clock: Clock = time.time,
    config: tuple[str, Mapping[str, str]] | None = None,
    started: Callable[[], None] | None = None,
) -> None:
    """Serve in the running loop until SIGTERM or SIGINT; `started` is called when all three listeners answer."""
    current = CurrentAccess(compile_access(settings.access, account_id=settings.account_id))
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, lambda: _reload(current, config, settings))
    async with open_services(settings, clock=clock, access=current) as services, kept_fresh(services):
        loop.add_signal_handler(signal.SIGHUP, lambda: _reload(current, config, settings, services.jwts))
        services.jwts.renew_keys()
        learn_models(
            services.authenticator_metadata,
            required_aaguids=current().rulebook.organization.mfa.required_aaguids,
            has_file=settings.webauthn.metadata_file is not None,
        )
        runners = []
        try:
            for name, app in _listeners(settings, services).items():
                runner = new_runner(app)
                await runner.setup()
                runners.append(runner)
                address: ListenAddress = getattr(settings.listen, name)
                await _listen(runner, name, address)
                log.info("listening", listener=name, address=str(address))
            if started is not None:
                started()
            await stop.wait()
            log.info("stopping")
        finally:
            for runner in runners:
                await runner.cleanup()


def new_runner(app: web.Application) -> web.AppRunner:
    """Make what serves a listener.

    A field may be 128 KiB long: a proxy that passes more on than is read here gets its connection closed while it
    still writes, and tells its client of an error of ours.
    """
    return web.AppRunner(
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
    response.headers[hdrs.SERVER] = "secondgate"


async def _listen(runner: web.AppRunner, name: str, address: ListenAddress) -> None:
    try:
        if address.path:
            with suppress(FileNotFoundError):
                Path(address.path).unlink()  # noqa: ASYNC240 - once, at start
            await web.UnixSite(runner, address.path).start()
        else:
            await web.TCPSite(runner, address.host, address.port, backlog=1024).start()
    except OSError as error:
        reason = error.strerror or str(error)
        raise StartRefused(f"listen.{name}: cannot listen on {address}: {reason}; choose another address") from error


def _listeners(settings: Settings, services: Services) -> dict[str, web.Application]:
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
    listeners = {"gate": make_gate(gate), "portal": make_portal(portal), "admin": make_admin(services)}
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


def _reload(
    current: CurrentAccess,
    config: tuple[str, Mapping[str, str]] | None,
    running: Settings,
    jwts: PresentedJwts | None = None,
) -> None:
    if config is None:
        return
    try:
        settings = load(*config)
        access = compile_access(settings.access, account_id=settings.account_id)
    except (InvalidConfiguration, OSError) as error:
        problems = error.problems if isinstance(error, InvalidConfiguration) else (error,)
        log.error("reload.refused", problems=[str(problem) for problem in problems])  # noqa: TRY400 - named in full
        return
    current.replace(access)
    if jwts is not None:
        jwts.renew_keys()
    waiting = [
        name
        for name in type(running).model_fields
        if name != "access" and getattr(settings, name) != getattr(running, name)
    ]
    if waiting:
        log.warning("reload.needs_restart", settings=waiting)
    log.info("reload.done", version=access.version[:12], applications=len(access.applications))


def _live_store(settings: Settings, opened: Opened, clock: Clock) -> LiveStore:
    url = settings.storage.redis.reveal()
    return RedisLiveStore(connect_redis(url)) if url else EmbeddedLiveStore(opened.database, clock=clock)


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
    keys = await opened.durable.list_signing_keys()
    if not keys or keys[0].algorithm is not settings.signing_algorithm:
        key = new_signing_key(settings.signing_algorithm, now=now, name=settings.portal_host, random_bytes=os.urandom)
        await opened.durable.add_signing_key(key)
        keys = await opened.durable.list_signing_keys()
    return KeyRing(keys)
