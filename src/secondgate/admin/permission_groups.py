"""Permissions as the API names them: permission groups, with ids that never change.

Where Cloudflare has a group of the same meaning for an account, the id is the one that it has there, so that scripts
that hold ids mean the same here.
"""

from __future__ import annotations

from collections.abc import Mapping

from secondgate.model.api_token import Permission

ACCOUNT_SCOPE = "com.cloudflare.api.account"
CATEGORY = "cloudflare_one_and_zero_trust"
GROUP_IDS: Mapping[Permission, str] = {
    Permission.ORGANIZATIONS_READ: "26bc23f853634eb4bff59983b9064fde",
    Permission.ORGANIZATIONS_WRITE: "bfe0d8686a584fa680f4c53b5eb0de6d",
    Permission.ORGANIZATIONS_REVOKE: "7121a0c7e9ed46e3829f9cca2bb572aa",
    Permission.APPS_READ: "7ea222f6d5064cfa89ea366d7c1fee89",
    Permission.APPS_WRITE: "1e13c5124ca64b72b1969a67e8829049",
    Permission.APPS_REVOKE: "6c9d1cfcfc6840a987d1b5bfb880a841",
    Permission.USERS_READ: "d4b7a6406e4d495e9cb2212bb93f62a0",
    Permission.USERS_WRITE: "418b5b3ad2354df39519df5ceac2951a",
    Permission.AUDIT_LOGS_READ: "b05b28e839c54467a7d6cba5d3abb5a3",
    Permission.SERVICE_TOKENS_READ: "91f7ce32fa614d73b7e1fc8f0e78582b",
    Permission.SERVICE_TOKENS_WRITE: "a1c0fec57cf94af79479a6d827fa518c",
    Permission.ZERO_TRUST_READ: "3f376c8e6f764a938b848bd01c8995c4",
    Permission.ZERO_TRUST_WRITE: "b33f02c6f7284e05a6f20741c0bb0567",
    Permission.API_TOKENS_READ: "eb56a6953c034b9d97dd838155666f06",
    Permission.API_TOKENS_WRITE: "5bc3f8b21c554832afc660159ab75fa4",
    Permission.MFA_RESET: "79e3801358d2412a844ddeacef3adf6c",
}
PERMISSIONS: Mapping[str, Permission] = {id_: permission for permission, id_ in GROUP_IDS.items()}
