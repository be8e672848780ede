"""A whole Secondgate without sockets: flows on working stores, a clock that tests move, and people's browsers."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import Any, cast

import pyotp

from secondgate.errors import Reason
from secondgate.flows.application_session import load_application_session
from secondgate.flows.browser import Browser, RenewedLogin, load_login
from secondgate.flows.challenge import begin_assertion, complete_assertion, complete_totp
from secondgate.flows.enrol import (
    begin_registration,
    begin_totp_enrolment,
    complete_registration,
    complete_totp_enrolment,
    load_totp_setup,
)
from secondgate.flows.hand_over import HandedOver, begin_hand_over, complete_hand_over, decide_login
from secondgate.flows.login_request import LoginRequest, sign_login_request, verify_login_request
from secondgate.flows.one_time_pin import begin_one_time_pin, complete_one_time_pin
from secondgate.flows.presented_jwts import PresentedJwts
from secondgate.flows.proof import Purpose
from secondgate.flows.provider_documents import ProviderDocuments
from secondgate.flows.services import Services
from secondgate.flows.sign_in import sign_in
from secondgate.model.access import Access, IdentityProvider
from secondgate.model.application import Application, Destination, MfaCheck
from secondgate.model.decision import Allow, Decision, Evidence, Rulebook, SignIn, Stage, decide
from secondgate.model.keys import SigningAlgorithm
from secondgate.model.organization import Method, MfaConfig, MfaOverride, Organization
from secondgate.model.person import Identity, IdentitySource
from secondgate.model.policy import Criteria, EmailDomain, Policy, PolicyAction, Visitor
from secondgate.model.presented_jwt import JwtSource
from secondgate.model.secret import Secret
from secondgate.model.session import ApplicationSession, Login
from secondgate.protocol.jwt import KeyRing, new_signing_key
from secondgate.protocol.metadata import Metadata, packaged_metadata
from secondgate.protocol.opaque_token import new_token, token_hash
from secondgate.protocol.webauthn import RelyingParty
from secondgate.store.ports import DurableStore, LiveStore
from secondgate.store.sealing import KeyFileSealer
from secondgate.store.sessions import Sessions
from tests.fakes.authenticator import SoftAuthenticator
from tests.fakes.mail import MemoryMailer
from tests.fakes.outgoing import MemoryOutgoing
from tests.fakes.stores import MemoryChanges, MemoryDurableStore, MemoryLiveStore

START = 1_800_000_000
PORTAL = "https://mfa.example.com"
RP = RelyingParty("mfa.example.com", "Example", PORTAL)
PIN = IdentityProvider("idp-pin", "PIN", IdentitySource.ONE_TIME_PIN)
STAFF = Criteria((EmailDomain("example.com"),))
ALL_METHODS = (Method.TOTP, Method.SECURITY_KEY, Method.BIOMETRICS)
ANN, BEN = "ann@example.com", "ben@example.com"


STAFF_POLICY = Policy("staff", "staff", PolicyAction.ALLOW, STAFF, 1)


def application(
    name: str = "wiki",
    domain: str = "wiki.example.com",
    *,
    mfa: MfaOverride | None = None,
    mfa_check: MfaCheck = MfaCheck.LOGIN,
    policies: tuple[Policy, ...] = (STAFF_POLICY,),
) -> Application:
    """Give an application for the staff; `domain` may have a path."""
    host, slash, path = domain.partition("/")
    places = (Destination(host, slash + path),)
    return Application(name, f"aud-{name}", name.title(), places, policies, mfa=mfa, mfa_check=mfa_check)


def key_only() -> MfaOverride:
    """Give the MFA settings of something that takes security keys alone."""
    return MfaOverride(allowed_authenticators=(Method.SECURITY_KEY,))


class Stepping:
    """A store between whose steps others get their turn; `after` holds what happens, once, right after a step."""

    def __init__(self, store: object) -> None:
        self._store = store
        self.after: dict[str, Callable[[], Awaitable[object]]] = {}

    def __getattr__(self, name: str) -> Callable[..., Awaitable[object]]:
        step: Callable[..., Awaitable[object]] = getattr(self._store, name)

        async def call(*args: object, **named: object) -> object:
            await asyncio.sleep(0)
            result = await step(*args, **named)
            await asyncio.sleep(0)
            if name in self.after:
                await self.after.pop(name)()
            return result

        return call


@dataclass
class World:
    """The services, and what tests turn: `now`, and the settings."""

    now: float = START
    organization: Organization = field(
        default_factory=lambda: Organization("Example", MfaConfig(ALL_METHODS, 1800), mfa_required_for_all_apps=True)
    )
    applications: tuple[Application, ...] = (application(),)
    administrators: Criteria | None = None
    jwt_sources: tuple[JwtSource, ...] = ()
    metadata: Metadata = field(default_factory=packaged_metadata)
    random: list[bytes] = field(default_factory=list)
    spawned: list[Coroutine[None, None, None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.durable = MemoryDurableStore()
        self.changes = MemoryChanges()
        self.live = MemoryLiveStore(self.clock, self.changes)
        self.durable_steps, self.live_steps = Stepping(self.durable), Stepping(self.live)
        live = cast("LiveStore", self.live_steps)
        self.mailer = MemoryMailer()
        self.outgoing = MemoryOutgoing()
        self.services = Services(
            portal_origin=PORTAL,
            origin_of=lambda host: f"https://{host}",
            access=self.access,
            durable=cast("DurableStore", self.durable_steps),
            live=live,
            changes=self.changes,
            sessions=Sessions(live),
            sealer=KeyFileSealer(Secret(os.urandom(32))),
            mailer=self.mailer,
            outgoing=self.outgoing,
            documents=ProviderDocuments(self.outgoing, clock=self.clock),
            jwts=PresentedJwts(self.jwt_sources, self.outgoing, clock=self.clock),
            keys=KeyRing(
                [new_signing_key(SigningAlgorithm.ES256, now=START, name="mfa.example.com", random_bytes=os.urandom)]
            ),
            relying_party=RP,
            authenticator_metadata=lambda: self.metadata,
            mac_key=os.urandom(32),
            clock=self.clock,
            random_bytes=self.random_bytes,
            spawn=self.spawned.append,
        )

    def clock(self) -> float:
        return self.now

    def access(self) -> Access:
        return Access("1", Rulebook(self.organization), self.applications, (PIN,), self.administrators)

    def random_bytes(self, count: int) -> bytes:
        self.random.append(os.urandom(count))
        return self.random[-1]

    def set_mfa(self, *methods: Method, max_age_s: int = 1800) -> None:
        """Change the organization's MFA settings; without methods all are allowed."""
        self.organization = replace(self.organization, mfa=MfaConfig(methods or ALL_METHODS, max_age_s))

    async def after_answers(self) -> None:
        """Do what waits until the answers were sent."""
        while self.spawned:
            await self.spawned.pop(0)

    def actions(self) -> list[str]:
        """Give what the audit log says was done."""
        return [event.action for event in self.durable.events]


class Person:
    """Somebody at one browser, with its cookies, an authenticator app, a security key and a fingerprint reader."""

    def __init__(self, world: World, *, email: str = ANN, address: str = "192.0.2.7") -> None:
        self.world = world
        self.services = world.services
        self.email = email
        self.address = ip_address(address)
        self.state_token = new_token(os.urandom)
        self.device_token = ""
        self.login_token = ""
        self.cookies: dict[str, str] = {}
        self.app: pyotp.TOTP | None = None
        self.key = SoftAuthenticator(RP.id, PORTAL)
        self.reader = SoftAuthenticator(RP.id, PORTAL, "platform")

    def at_another_browser(self) -> Person:
        """Give the same person with the same authenticators at another browser."""
        other = Person(self.world, email=self.email, address="198.51.100.4")
        other.app, other.key, other.reader = self.app, self.key, self.reader
        return other

    def browser(self, login: Login | None = None) -> Browser:
        device = token_hash(self.device_token) if self.device_token else ""
        return Browser(token_hash(self.state_token), device, self.address, login)

    async def find_login(self) -> Login | None:
        if not self.login_token:
            return None
        device = token_hash(self.device_token)
        return await load_login(self.services, login_token=self.login_token, device_token_id=device)

    async def login(self) -> Login:
        login = await self.find_login()
        assert login is not None
        return login

    def take(self, renewed: RenewedLogin) -> Login:
        """Set the cookies of an answer."""
        self.login_token, self.device_token = renewed.login_token, renewed.device_token
        return renewed.login

    async def sign_in(self) -> Login:
        identity = Identity(self.email, identity_provider_id=PIN.id, auth_time=int(self.world.now))
        return self.take(await sign_in(self.services, self.browser(await self.find_login()), identity))

    async def ask_for_pin(self, email: str = "") -> None:
        await begin_one_time_pin(self.services, self.browser(), email=email or self.email, provider=PIN)

    async def enter_pin(self, pin: object) -> Identity:
        return await complete_one_time_pin(self.services, self.browser(), pin=pin)

    def code(self, steps: int = 0) -> str:
        assert self.app is not None
        return self.app.generate_otp(int(self.world.now) // 30 + steps)

    def wrong_code(self) -> str:
        near = {self.code(steps) for steps in range(-3, 4)}
        return next(code for code in map("{:06d}".format, range(10)) if code not in near)

    async def set_up_app(self) -> None:
        """Begin to enrol the authenticator app and scan the code."""
        login = await self.login()
        await begin_totp_enrolment(self.services, self.browser(), login)
        setup = await load_totp_setup(self.services, self.browser(), login)
        assert setup is not None
        self.app = pyotp.TOTP(setup.key.reveal().replace(" ", ""))

    async def confirm_app(self, code: object = None, name: object = "Phone") -> Login:
        login = await self.login()
        typed = self.code() if code is None else code
        enrolled = await complete_totp_enrolment(self.services, self.browser(login), login, code=typed, name=name)
        return self.take(enrolled)

    async def enrol_app(self) -> Login:
        await self.set_up_app()
        return await self.confirm_app()

    def device(self, method: Method) -> SoftAuthenticator:
        return self.reader if method is Method.BIOMETRICS else self.key

    async def enrol(self, method: Method = Method.SECURITY_KEY, name: object = "Key") -> Login:
        login = await self.login()
        options, ceremony = await begin_registration(self.services, self.browser(), login, method=method)
        response = self.device(method).register(options)
        return self.take(
            await complete_registration(
                self.services, self.browser(login), login, ceremony=ceremony, response=response, name=name
            )
        )

    async def prove_code(self, code: object = None, purpose: Purpose = Purpose.APPLICATION) -> Login:
        login = await self.login()
        typed = self.code() if code is None else code
        return self.take(await complete_totp(self.services, self.browser(login), login, code=typed, purpose=purpose))

    async def prove(
        self,
        method: Method = Method.SECURITY_KEY,
        purpose: Purpose = Purpose.APPLICATION,
        application_id: str = "",
    ) -> Login:
        login = await self.login()
        options, ceremony = await begin_assertion(
            self.services, login, method=method, purpose=purpose, application_id=application_id
        )
        return await self.answer(
            ceremony, self.device(method).authenticate(options), purpose=purpose, application_id=application_id
        )

    async def answer(
        self,
        ceremony: object,
        response: object,
        *,
        purpose: Purpose = Purpose.APPLICATION,
        application_id: str = "",
    ) -> Login:
        """Finish an assertion with what this browser has as cookies now."""
        login = await self.login()
        return self.take(
            await complete_assertion(
                self.services,
                self.browser(login),
                login,
                ceremony=ceremony,
                response=response,
                purpose=purpose,
                application_id=application_id,
            )
        )

    def ask(self, place: Application, nonce: str, path: str = "/page") -> LoginRequest:
        """Do what the host's login page does: make the signed request that the portal reads."""
        token = sign_login_request(
            self.services, place, host=place.destinations[0].host, return_path=path, nonce_hash=token_hash(nonce)
        )
        return verify_login_request(self.services, token)

    async def decide(self, request: LoginRequest) -> Decision:
        login = await self.login()
        decision, _, _ = await decide_login(self.services, self.browser(login), login, request)
        return decision

    async def hand_over(self, request: LoginRequest) -> str:
        """Go on to the application, which must be allowed; gives the code of the callback."""
        login = await self.login()
        decision, evidence, _ = await decide_login(self.services, self.browser(login), login, request)
        assert isinstance(decision, Allow)
        url = await begin_hand_over(
            self.services, self.browser(login), login, request, decision=decision, evidence=evidence
        )
        return url.partition("?code=")[2]

    async def redeem(self, code: str, host: str, nonce: str | None) -> HandedOver:
        old = await self.session(host)
        handed = await complete_hand_over(self.services, host=host, code=code, nonce=nonce, old=old)
        self.cookies[host] = handed.token
        return handed

    async def enter(self, place: Application | None = None) -> HandedOver:
        """Log in to an application all the way."""
        place = place or self.world.applications[0]
        nonce = new_token(os.urandom)
        code = await self.hand_over(self.ask(place, nonce))
        return await self.redeem(code, place.destinations[0].host, nonce)

    async def session(self, host: str = "wiki.example.com") -> ApplicationSession | None:
        if host not in self.cookies:
            return None
        return await load_application_session(self.services, token=self.cookies[host], host=host)

    async def visit(self, place: Application | None = None) -> Decision:
        """Ask what the gate asks for a request: the live session's grant, judged by today's settings."""
        place = place or self.world.applications[0]
        session = await self.session(place.destinations[0].host)
        grant = session.grant_for(place) if session else None
        if session is None or grant is None or grant.expires_at <= self.services.now():
            return SignIn(Reason.NO_SESSION)
        rulebook = self.world.access().rulebook
        today = self.world.access().by_id[place.id]
        visitor = Visitor(self.address, session.identity)
        now = self.services.now()
        return decide(rulebook, today, visitor, Evidence(grant.mfa), stage=Stage.REQUEST, now=now)


def hidden_in(text: str, secret: bytes) -> bool:
    """Whether a text holds these bytes in any of their usual spellings."""
    spellings = (
        base64.urlsafe_b64encode(secret).rstrip(b"=").decode(),
        base64.b64encode(secret).rstrip(b"=").decode(),
        base64.b32encode(secret).rstrip(b"=").decode(),
        secret.hex(),
        repr(secret)[2:-1],
    )
    return any(spelling in text for spelling in spellings)


def why(decision: Decision) -> Reason:
    """Give the reason of a decision that lets nobody through."""
    assert not isinstance(decision, Allow)
    return decision.reason


def claims_of(token: str) -> dict[str, Any]:
    """Give what a token says, unverified."""
    payload = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims
