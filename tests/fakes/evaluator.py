"""A service of an operator's that is asked about people at a login, over a socket.

It verifies our question with our published keys, and signs its answers with PyJWT.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

_ANY_TIME: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}


@dataclass
class Evaluator:
    """The service. `says` decides from the claims of the question; `change` alters the answer's claims."""

    clock: Callable[[], float]
    jwks: Callable[[], dict[str, Any]]
    says: Callable[[dict[str, Any]], object] = lambda _: True
    change: Callable[[dict[str, Any]], None] = lambda _: None
    status: int = 200
    url: str = ""
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    signs_with: ec.EllipticCurvePrivateKey | None = None
    asked: list[dict[str, Any]] = field(default_factory=list)

    def rule(self) -> dict[str, Any]:
        """Give the rule that asks it."""
        urls = {"evaluate_url": f"{self.url}/evaluate", "keys_url": f"{self.url}/keys"}
        return {"external_evaluation": urls}

    async def evaluate(self, request: web.Request) -> web.Response:
        """Answer a question."""
        token = (await request.json())["token"]
        key = jwt.PyJWKSet.from_dict(self.jwks())[jwt.get_unverified_header(token)["kid"]]
        claims = jwt.decode(token, key, algorithms=["ES256"], audience=f"{self.url}/evaluate", options=_ANY_TIME)
        self.asked.append(claims)
        now = int(self.clock())
        said = {"success": self.says(claims), "iat": now, "exp": now + 60, "nonce": claims["nonce"]}
        self.change(said)
        signed = jwt.encode(said, self.signs_with or self.key, algorithm="ES256", headers={"kid": "e1"})
        return web.json_response({"token": signed}, status=self.status)

    async def keys(self, _: web.Request) -> web.Response:
        """Publish the key."""
        jwk = {**json.loads(ECAlgorithm.to_jwk(self.key.public_key())), "kid": "e1"}
        return web.json_response({"keys": [jwk]})


@asynccontextmanager
async def open_evaluator(clock: Callable[[], float], jwks: Callable[[], dict[str, Any]]) -> AsyncIterator[Evaluator]:
    """Run one on a port of its own."""
    evaluator = Evaluator(clock, jwks)
    app = web.Application()
    app.router.add_post("/evaluate", evaluator.evaluate)
    app.router.add_get("/keys", evaluator.keys)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    evaluator.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield evaluator
    finally:
        await runner.cleanup()
