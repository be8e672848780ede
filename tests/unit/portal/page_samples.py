"""A sample of every page, in every state that looks different, with names and messages of one's choice."""

from __future__ import annotations

from dataclasses import replace

from secondgate.model.organization import Method
from secondgate.model.secret import Secret
from secondgate.portal import enrolment_pages, pages

AT = 1_750_248_300  # 18 June 2025, 12:05 UTC
SETUP_KEY = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
URI = f"otpauth://totp/Example:anna%40example.com?secret={SETUP_KEY}&issuer=Example"


def samples(
    *,
    organization: str = "Example",
    email: str = "anna.lindqvist@example.com",
    application: str = "Wiki",
    device: str = "Blue YubiKey",
    words: str = "",
) -> dict[str, pages.Page]:
    """Give the pages, each under a name of its own; `words` are error, notice and custom message where given."""
    known = pages.Frame(organization=organization, email=email, csrf_token="c" * 43, request="r" * 43)
    unknown = replace(known, email="")
    links = {method: pages.MethodLink(method, f"/challenge?method={method}") for method in Method}
    offers = tuple(enrolment_pages.MethodOffer(method) for method in Method)
    providers = (pages.Choice(f"{application} staff", "/login/a"), pages.Choice("Partners", "/login/b"))
    rows = (
        pages.DeviceRow("My phone", Method.TOTP, AT - 9_000_000, AT, "/account/devices/1/name", "/account/devices/1"),
        pages.DeviceRow(device, Method.SECURITY_KEY, AT, None, "/account/devices/2/name", "/account/devices/2"),
        pages.DeviceRow("Work laptop", Method.BIOMETRICS, AT, AT, "/account/devices/3/name", "/account/devices/3"),
    )
    totp = enrolment_pages.EnrolTotpPage(
        action="/AddMfaDevice/totp", uri=Secret(URI), setup_key=Secret(SETUP_KEY), frame=known
    )
    lost = enrolment_pages.PassPage(
        action="/pass", reason=enrolment_pages.PassReason.LOST, back_url="/challenge?purpose=devices", frame=known
    )
    message = pages.MessagePage(kind=pages.MessageKind.ERROR, reference="8f2c-41d7", frame=known)
    all_pages: dict[str, pages.Page] = {
        "login-pin": pages.LoginPage(application=application, pin_action="/login/pin", frame=unknown),
        "login-providers": pages.LoginPage(providers=providers, frame=unknown),
        "login-both": pages.LoginPage(
            application=application,
            pin_action="/login/pin",
            presented_email=email,
            providers=providers,
            error="This is not an e-mail address. It looks like name@example.com.",
            frame=unknown,
        ),
        "login-none": pages.LoginPage(frame=unknown),
        "pin": pages.PinPage(
            sent_to=email, action="/login/pin/code", resend_action="/login/pin", restart_url="/login", frame=unknown
        ),
        "challenge-totp": pages.ChallengePage(
            method=Method.TOTP,
            application=application,
            others=(links[Method.SECURITY_KEY], links[Method.BIOMETRICS]),
            action="/challenge",
            frame=known,
        ),
        "challenge-key": pages.ChallengePage(
            method=Method.SECURITY_KEY,
            application=application,
            others=(links[Method.TOTP],),
            options_url="/challenge/options",
            finish_url="/challenge/finish",
            provider=pages.Choice("Corporate", "/login/corporate?fresh=1"),
            pass_url="/pass",
            frame=known,
        ),
        "challenge-biometrics": pages.ChallengePage(
            method=Method.BIOMETRICS,
            purpose="devices",
            options_url="/challenge/options",
            finish_url="/challenge/finish",
            frame=known,
        ),
        "add-device": enrolment_pages.AddDevicePage(
            action="/AddMfaDevice",
            offers=offers,
            application=application,
            provider=pages.Choice("Corporate", "/login/corporate?fresh=1"),
            frame=known,
        ),
        "add-device-another": enrolment_pages.AddDevicePage(
            action="/AddMfaDevice",
            offers=(
                enrolment_pages.MethodOffer(
                    Method.TOTP, "You have set one up already. Remove it first to use another app."
                ),
                *offers[1:],
            ),
            verify_first=True,
            cancel_url="/account/devices",
            frame=known,
        ),
        "add-device-with-pass": enrolment_pages.AddDevicePage(
            action="/AddMfaDevice",
            offers=(
                enrolment_pages.MethodOffer(
                    Method.TOTP, "You have one already.", pages.Choice("Remove it first", "/account/devices/1/remove")
                ),
                *offers[1:],
            ),
            pass_until=AT + 600,
            application=application,
            frame=known,
        ),
        "pass-lost": lost,
        "pass-wrong": replace(lost, error="That pass is not right, or it is no longer valid.", back_url=""),
        "pass-first": replace(lost, reason=enrolment_pages.PassReason.FIRST, application=application),
        "pass-network": replace(lost, reason=enrolment_pages.PassReason.NETWORK, application=application),
        "enrol-totp": totp,
        "enrol-totp-wrong": replace(
            totp, error="This code is not right. Wait for the next one and enter it.", back_url="/AddMfaDevice"
        ),
        "enrol-key": enrolment_pages.EnrolWebauthnPage(
            method=Method.SECURITY_KEY,
            back_url="/AddMfaDevice",
            options_url="/challenge/options",
            finish_url="/challenge/finish",
            frame=known,
        ),
        "enrol-biometrics": enrolment_pages.EnrolWebauthnPage(
            method=Method.BIOMETRICS,
            options_url="/challenge/options",
            finish_url="/challenge/finish",
            listed_only=True,
            frame=known,
        ),
        "devices": pages.DevicesPage(devices=rows, add_url="/AddMfaDevice", window_until=AT + 600, frame=known),
        "devices-one": pages.DevicesPage(
            devices=rows[1:2], add_url="/AddMfaDevice", notice="Your security key is set up.", frame=known
        ),
        "devices-none": pages.DevicesPage(devices=(), add_url="/AddMfaDevice", frame=known),
        "remove": pages.RemoveDevicePage(
            name=device,
            method=Method.SECURITY_KEY,
            action="/account/devices/2/remove",
            cancel_url="/account/devices",
            is_last=True,
            frame=known,
        ),
        "launcher": pages.LauncherPage(
            tiles=(
                pages.Tile(application, "https://wiki.example.com/"),
                pages.Tile(
                    "Grafana",
                    "https://grafana.example.com/",
                    "data:image/gif;base64,R0lGODlhAQABAIAAAAtrYwAAACH5BAAAAAAALAAAAAABAAEAAAICRAEAOw==",
                ),
                pages.Tile("Deployments of the platform team", "https://deploy.internal.example.com/platform"),
                pages.Tile("Mail", "https://mail.example.com/", "https://elsewhere.example/logo.png"),
            ),
            frame=known,
        ),
        "launcher-none": pages.LauncherPage(tiles=(), frame=known),
        "sessions": pages.SessionsPage(
            sessions=(
                pages.SessionRow("", AT, is_this_browser=True, end_action="/account/sessions/1/end"),
                pages.SessionRow("wiki.example.com", AT, is_this_browser=True, end_action="/account/sessions/2/end"),
                pages.SessionRow(
                    "grafana.example.com",
                    AT - 90_000,
                    is_this_browser=False,
                    end_action="/account/sessions/3/end",
                    device=f"Firefox on {device}",
                ),
            ),
            end_all_action="/account/sessions/end",
            frame=known,
        ),
        "sessions-none": pages.SessionsPage(sessions=(), end_all_action="/account/sessions/end", frame=known),
        "logout": pages.LogoutPage(action="/logout", cancel_url="/", frame=known),
        "logged-out": pages.LoggedOutPage(login_url="/login", everywhere=True, frame=unknown),
        "logged-out-going-on": pages.LoggedOutPage(
            login_url="/login", provider=application, provider_url="https://idp.example/end?x=1&y=%22", frame=unknown
        ),
        "logged-out-here-alone": pages.LoggedOutPage(login_url="/login", provider=application, frame=unknown),
        "logged-out-at-both": pages.LoggedOutPage(
            login_url="/login", provider=application, provider_done=True, frame=unknown
        ),
        "message-locked": replace(message, kind=pages.MessageKind.TOO_MANY),
        "message-elsewhere": replace(
            message,
            kind=pages.MessageKind.REFUSED,
            application=application,
            detail=words or "Ask #wiki-access to be let in.",
            way_on=pages.Choice("See your applications", "https://mfa.example.com/"),
            frame=replace(known, static_origin="https://mfa.example.com"),
        ),
    }
    for kind in pages.MessageKind:
        all_pages[f"message-{kind.name.lower()}"] = replace(
            message, kind=kind, application=application, resets_in_s=200, way_on=pages.Choice("Go on", "/")
        )
    if words:
        return {name: replace(page, error=words, notice=words) for name, page in all_pages.items()}
    return all_pages
