"""A site whose people log in at two OpenID providers, and what an application there asks for.

Corporate knows the portal by a secret (`client_secret_basic`) and puts every claim into the ID token. Partner tells
address, name and groups at userinfo alone, and knows the portal twice: by a secret in the form (`client_secret_post`)
and by a key (`private_key_jwt`). Behind a fourth configuration, Gone, nobody ever listens.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.e2e.certificate import Certificate
from tests.e2e.openid_provider import OpenIdProvider
from tests.e2e.processes import free_port
from tests.e2e.sites import Place, Site, choose_place, running_site

LABELS = ("app", "partner", "engineers", "keyed", "gone")
AMR_DURATION_S = 8 * 3600
_SECRET = "a secret of thirty-two characters"
_CLIENT = {"grant_types": ["authorization_code"], "response_types": ["code"]}


@dataclass(frozen=True, slots=True)
class OpenIdSite:
    """The site and its two providers."""

    site: Site
    corporate: OpenIdProvider
    partner: OpenIdProvider


@contextmanager
def running_openid_site(
    proxy: str, folder: Path, *, application: int, certificate: Certificate
) -> Iterator[OpenIdSite]:
    """Run providers, Secondgate and proxy before the application that listens on the port `application`."""
    place = choose_place(proxy, folder)
    (folder / "clock").write_text("0")
    key = ec.generate_private_key(ec.SECP256R1())
    (folder / "client.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    corporate = _provider(
        "corporate", "127.0.0.1", place, certificate, [_client(place, "basic", "client_secret_basic")], in_token=True
    )
    partner_clients = [_client(place, "post", "client_secret_post"), _key_client(place, key.public_key())]
    partner = _provider("partner", "localhost", place, certificate, partner_clients, in_token=False)
    with ExitStack() as running:
        for provider in (corporate, partner):
            running.callback(provider.stop)
            provider.start()
        access = _access(place, corporate, partner)
        site = running_site(place, labels=LABELS, access=access, application=application, certificate=certificate)
        yield OpenIdSite(running.enter_context(site), corporate, partner)


def _provider(
    name: str, host: str, place: Place, trusted: Certificate, clients: list[dict[str, object]], *, in_token: bool
) -> OpenIdProvider:
    folder = place.folder / name
    clock = place.folder / "clock"
    return OpenIdProvider(name, host, free_port(), folder, clock, clients, trusted, claims_in_id_token=in_token)


def _client(place: Place, client_id: str, method: str) -> dict[str, object]:
    """Describe the portal to a provider that knows it by a secret."""
    return {
        **_CLIENT,
        "client_id": client_id,
        "client_secret": _SECRET,
        "token_endpoint_auth_method": method,
        "redirect_uris": [f"{place.public_url}/login/callback"],
        "post_logout_redirect_uris": [f"{place.public_url}/logout/callback"],
        "backchannel_logout_uri": f"{place.public_url}/login/backchannel-logout",
        "backchannel_logout_session_required": True,
    }


def _key_client(place: Place, key: ec.EllipticCurvePublicKey) -> dict[str, object]:
    """Describe the portal to a provider that knows it by a key (RFC 7523, section 2.2)."""
    numbers = key.public_numbers()
    x, y = (base64.urlsafe_b64encode(n.to_bytes(32, "big")).rstrip(b"=").decode() for n in (numbers.x, numbers.y))
    client = _client(place, "key", "private_key_jwt")
    del client["client_secret"]
    return {**client, "jwks": {"keys": [{"kty": "EC", "crv": "P-256", "x": x, "y": y, "use": "sig", "alg": "ES256"}]}}


def _access(place: Place, corporate: OpenIdProvider, partner: OpenIdProvider) -> dict[str, object]:
    domain = place.domain
    people = [{"name": "people", "decision": "allow", "include": [{"email_domain": {"domain": "people.test"}}]}]
    claim = {"identity_provider_id": "Corporate", "claim_name": "groups", "claim_value": "engineers"}
    engineers = [{"name": "engineers", "decision": "allow", "include": [{"oidc": claim}]}]
    by_secret = {"client_secret": _SECRET, "rp_initiated_logout": True}
    by_key = {
        "token_endpoint_auth_method": "private_key_jwt",
        "client_private_key_file": str(place.folder / "client.pem"),
    }

    def provider(name: str, issuer: str, client_id: str, **config: object) -> dict[str, object]:
        return {"name": name, "type": "oidc", "config": {"issuer_url": issuer, "client_id": client_id, **config}}

    def only(name: str) -> dict[str, object]:
        return {"allowed_idps": [name], "auto_redirect_to_identity": True}

    return {
        "organization": {
            "name": "Example",
            "mfa_config": {
                "allowed_authenticators": ["totp", "security_key", "biometrics"],
                "session_duration": "24h",
                "amr_matching_session_duration": f"{AMR_DURATION_S // 3600}h",
            },
            "mfa_required_for_all_apps": True,
        },
        "identity_providers": [
            provider("Corporate", corporate.issuer, "basic", claims=["groups"], **by_secret),
            provider("Partner", partner.issuer, "post", token_endpoint_auth_method="client_secret_post", **by_secret),
            provider("Partner by key", partner.issuer, "key", **by_key),
            provider("Gone", f"http://127.0.0.1:{free_port()}", "gone", client_secret=_SECRET),
        ],
        "applications": [
            {"name": "App", "domain": f"app.{domain}", "policies": people, "allowed_idps": ["Corporate", "Partner"]},
            {"name": "Partner's", "domain": f"partner.{domain}", "policies": people, **only("Partner")},
            {"name": "Engineers", "domain": f"engineers.{domain}", "policies": engineers},
            {"name": "Keyed", "domain": f"keyed.{domain}", "policies": people, **only("Partner by key")},
            {"name": "Gone", "domain": f"gone.{domain}", "policies": people, **only("Gone")},
        ],
    }
