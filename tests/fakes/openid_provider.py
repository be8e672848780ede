"""An OpenID provider over a socket, which tells the truth until a test makes it lie.

It signs with PyJWT, a library that our own verification does not use.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key
from jwt.algorithms import RSAAlgorithm

CLIENT_ID, CLIENT_SECRET = "portal", "a secret: with/odd characters"


def public_jwk(key: RSAPrivateKey, kid: str, **more: object) -> dict[str, Any]:
    """Give the public JWK of a key."""
    return {**RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig", "alg": "RS256", **more}


@dataclass
class OpenIdProvider:
    """The provider. `claims` are the person's; the `lie_` functions change what goes out."""

    clock: Callable[[], float]
    issuer: str = ""
    key: RSAPrivateKey = field(default_factory=lambda: generate_private_key(65537, 2048))
    kid: str = "k1"
    claims: dict[str, object] = field(
        default_factory=lambda: {"sub": "s-1", "email": "Ann@example.com", "email_verified": True, "name": "Ann"}
    )
    userinfo: dict[str, object] | None = None
    document: dict[str, object] = field(default_factory=dict)
    lie_token: Callable[[dict[str, Any]], None] = lambda _: None
    lie_header: dict[str, Any] = field(default_factory=dict)
    lie_response: dict[str, object] = field(default_factory=dict)
    jwks_body: bytes | None = None
    redirect_jwks_to: str = ""
    token_status: int = 200
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    client_audience: str = ""
    client_key: RSAPublicKey | EllipticCurvePublicKey | None = None
    assertions: list[dict[str, Any]] = field(default_factory=list)
    slow_s: float = 0.0

    def config(self, **more: object) -> dict[str, Any]:
        """Give the settings of this provider."""
        return {"issuer_url": self.issuer, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, **more}

    def authorize(self, url: str, **more: str) -> str:
        """Log the person in, as a browser at this URL would, and give the URL of the callback."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert url.startswith(f"{self.issuer}/authorize?"), url
        assert (query["response_type"], query["client_id"]) == ("code", CLIENT_ID)
        assert "openid" in query["scope"].split()
        code = secrets.token_urlsafe()
        self.codes[code] = query
        answer = {"code": code, "state": query["state"], "iss": self.issuer, **more}
        sent = {name: value for name, value in answer.items() if value}
        return f"{query['redirect_uri']}?{urlencode(sent)}"

    def id_token(self, *, nonce: str, access_token: str) -> str:
        """Sign an ID token."""
        now = int(self.clock())
        digest = hashlib.sha256(access_token.encode()).digest()[:16]
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": nonce,
            "at_hash": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            **self.claims,
        }
        self.lie_token(claims)
        return jwt.encode(claims, self.key, algorithm="RS256", headers={"kid": self.kid, **self.lie_header})

    def logout_token(self, *, typ: str = "logout+jwt", key: RSAPrivateKey | None = None, **more: object) -> str:
        """Sign a logout token for a session or a person of this provider; None leaves a claim out."""
        now = int(self.clock())
        claims: dict[str, object] = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 120,
            "jti": secrets.token_urlsafe(),
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
            **more,
        }
        said = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(said, key or self.key, algorithm="RS256", headers={"kid": self.kid, "typ": typ})

    def end_session(self, url: str) -> tuple[dict[str, str], str]:
        """Log the person out, as a browser at this URL would; gives what was asked, and where it goes on to."""
        assert url.startswith(f"{self.issuer}/end?"), url
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert query["client_id"] == CLIENT_ID
        if "id_token_hint" in query:
            jwt.decode(
                query["id_token_hint"],
                self.key.public_key(),
                ["RS256"],
                audience=CLIENT_ID,
                options={"verify_exp": False, "verify_iat": False},
            )
        return query, f"{query['post_logout_redirect_uri']}?{urlencode({'state': query['state']})}"

    def application(self) -> web.Application:
        """Make the server."""
        app = web.Application()
        app.add_routes(
            [
                web.get("/.well-known/openid-configuration", self._discovery),
                web.get("/jwks", self._jwks),
                web.post("/token", self._token),
                web.get("/userinfo", self._userinfo),
            ]
        )
        return app

    async def _discovery(self, _: web.Request) -> web.Response:
        self.asked.append("discovery")
        document: dict[str, object] = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "authorization_response_iss_parameter_supported": True,
        }
        if self.userinfo is not None:
            document["userinfo_endpoint"] = f"{self.issuer}/userinfo"
        return web.json_response({**document, **self.document})

    async def _jwks(self, _: web.Request) -> web.Response:
        self.asked.append("jwks")
        await asyncio.sleep(self.slow_s)
        if self.redirect_jwks_to:
            raise web.HTTPFound(self.redirect_jwks_to)
        return web.Response(body=self.jwks_body or json.dumps({"keys": [public_jwk(self.key, self.kid)]}).encode())

    async def _token(self, request: web.Request) -> web.Response:
        self.asked.append("token")
        await asyncio.sleep(self.slow_s)
        form = await request.post()
        begun = self.codes.pop(str(form["code"]), None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(str(form.get("code_verifier")).encode()).digest())
        if self.token_status != 200:
            return web.Response(status=self.token_status)
        if not (_is_client(request, form) if self.client_key is None else self._is_key_holder(request, form)):
            return web.json_response({"error": "invalid_client"}, status=401)
        if begun is None or begun["redirect_uri"] != form["redirect_uri"]:
            return web.json_response({"error": "invalid_grant"}, status=400)
        if "code_challenge" in begun and begun["code_challenge"] != challenge.rstrip(b"=").decode():
            return web.json_response({"error": "invalid_grant"}, status=400)
        access_token = secrets.token_urlsafe()
        id_token = self.id_token(nonce=begun["nonce"], access_token=access_token)
        answer = {"id_token": id_token, "access_token": access_token, "token_type": "Bearer", **self.lie_response}
        return web.json_response(answer)

    def _is_key_holder(self, request: web.Request, form: Mapping[str, object]) -> bool:
        """Verify a client assertion as RFC 7523, section 3, has it; an assertion counts once."""
        if "Authorization" in request.headers or "client_secret" in form:
            return False
        kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        if (form.get("client_id"), form.get("client_assertion_type")) != (CLIENT_ID, kind):
            return False
        assert self.client_key is not None
        assertion = str(form["client_assertion"])
        required: Any = {
            "require": ["iss", "sub", "aud", "exp", "iat", "jti"],
            "verify_exp": False,
            "verify_iat": False,
        }
        audience = self.client_audience or self.issuer
        claims = jwt.decode(
            assertion, self.client_key, ["RS256", "ES256"], audience=audience, issuer=CLIENT_ID, options=required
        )
        now, known = int(self.clock()), {one["jti"] for one in self.assertions}
        self.assertions.append({**claims, "header": jwt.get_unverified_header(assertion)})
        return claims["sub"] == CLIENT_ID and claims["jti"] not in known and claims["iat"] <= now < claims["exp"]

    async def _userinfo(self, request: web.Request) -> web.Response:
        self.asked.append("userinfo")
        assert request.headers["Authorization"].startswith("Bearer ")
        return web.json_response(self.userinfo)


def _is_client(request: web.Request, form: Mapping[str, object]) -> bool:
    header = request.headers.get("Authorization", "")
    if header:
        user, _, password = base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")
        # RFC 6749, section 2.3.1: both are form-encoded first
        return (user, parse_qs(f"x={password}")["x"][0]) == (CLIENT_ID, CLIENT_SECRET)
    return (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET)


@asynccontextmanager
async def running_provider(clock: Callable[[], float]) -> AsyncIterator[OpenIdProvider]:
    """Run a provider on a free port."""
    provider = OpenIdProvider(clock)
    runner = web.AppRunner(provider.application())
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        provider.issuer = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield provider
    finally:
        await runner.cleanup()
