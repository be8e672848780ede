"""Another login system that signs tokens, and serves its keys over a socket until a test makes it fail.

It signs with PyJWT, a library that our own verification of these tokens does not use.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from jwt.algorithms import ECAlgorithm

ISSUER, AUDIENCE = "https://login.example.com", "secondgate"


@dataclass
class JwtIssuer:
    """The issuer. `claims` are the person's; `fetches` counts how often its keys were asked for."""

    clock: Callable[[], float]
    key: EllipticCurvePrivateKey = field(default_factory=lambda: generate_private_key(SECP256R1()))
    kid: str = "k1"
    claims: dict[str, object] = field(
        default_factory=lambda: {"sub": "s-1", "email": "Ann@example.com", "email_verified": True, "name": "Ann"}
    )
    url: str = ""
    fetches: int = 0
    status: int = 200
    delay_s: float = 0.0

    def token(self, *, header: dict[str, Any] | None = None, **changes: object) -> str:
        """Sign a token of now for five minutes; a change to None takes a claim out."""
        now = int(self.clock())
        said = {"iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + 300, **self.claims, **changes}
        claims = {name: value for name, value in said.items() if value is not None}
        payload = json.dumps(claims).encode()
        return jwt.PyJWS().encode(payload, self.key, algorithm="ES256", headers={"kid": self.kid, **(header or {})})

    def jwks(self) -> bytes:
        """Give the public keys."""
        jwk = ECAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return json.dumps({"keys": [{**jwk, "kid": self.kid, "use": "sig", "alg": "ES256"}]}).encode()

    def rotate(self, kid: str) -> None:
        """Sign with another key from now on, and publish that alone."""
        self.key, self.kid = generate_private_key(SECP256R1()), kid

    def source(self, **more: object) -> dict[str, Any]:
        """Give the settings of this issuer; a change to None takes one out."""
        settings = {"header": "Authorization", "jwks_url": self.url, "issuer": ISSUER, "audience": AUDIENCE, **more}
        return {name: value for name, value in settings.items() if value is not None}

    async def answer(self, _: web.Request) -> web.Response:
        """Serve the keys."""
        self.fetches += 1
        await asyncio.sleep(self.delay_s)
        return web.Response(status=self.status, body=self.jwks())


@asynccontextmanager
async def running_issuer(clock: Callable[[], float]) -> AsyncIterator[JwtIssuer]:
    """Run an issuer on a free port."""
    issuer = JwtIssuer(clock)
    app = web.Application()
    app.router.add_get("/jwks", issuer.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        issuer.url = f"http://127.0.0.1:{runner.addresses[0][1]}/jwks"
        yield issuer
    finally:
        await runner.cleanup()
