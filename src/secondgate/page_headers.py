"""What every page of ours tells the browser, whichever listener sends it (OWASP Secure Headers)."""

from __future__ import annotations


def page_headers(*, secure: bool) -> dict[str, str]:
    """Give the header fields; `secure` where browsers come by HTTPS.

    `Referrer-Policy` is not `no-referrer`: with that, browsers send `Origin: null` with our own forms.
    """
    headers = {
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
    }
    return {**headers, "Strict-Transport-Security": "max-age=31536000"} if secure else headers
