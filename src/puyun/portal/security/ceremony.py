"""What a browser is asked for in the words of WebAuthn, and how its answer is checked."""

import msgspec
from starlette.requests import Request
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import (
    parse_authentication_credential_json,
    parse_client_data_json,
    parse_registration_credential_json,
)
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticationCredential,
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    RegistrationCredential,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from puyun.identity.model import User
from puyun.storage.security.passkeys import Passkey
from puyun.web.site import visitor_of

_FAULTS = (WebAuthnException, ValueError, KeyError, TypeError, AttributeError)
"""What the library raises on answers that no browser gives."""


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """A new passkey as its device describes it."""

    credential: bytes
    public_key: bytes
    signs: int


class Place(msgspec.Struct, frozen=True):
    """Where passkeys of this site belong: the origin of the request, and its host."""

    origin: str
    host: str


def place_of(request: Request) -> Place:
    return Place(visitor_of(request).origin, request.url.hostname or "")


def handle_of(user: int) -> bytes:
    """How devices know a user: by a number that tells nobody who it is."""
    return user.to_bytes(8)


def to_register(place: Place, brand: str, user: User, known: list[Passkey], challenge: bytes) -> str:
    """Options for `navigator.credentials.create`, as JSON: a passkey that the device keeps and checks its owner for."""
    options = generate_registration_options(
        rp_id=place.host,
        rp_name=brand,
        user_id=handle_of(user.id),
        user_name=user.email,
        challenge=challenge,
        exclude_credentials=[PublicKeyCredentialDescriptor(id=passkey.credential) for passkey in known],
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
    )
    return options_to_json(options)


def to_sign_in(place: Place, challenge: bytes) -> str:
    """Options for `navigator.credentials.get`, as JSON: any passkey that the device has for this site."""
    required = UserVerificationRequirement.REQUIRED
    return options_to_json(
        generate_authentication_options(rp_id=place.host, challenge=challenge, user_verification=required)
    )


def read_registration(text: str) -> RegistrationCredential | None:
    """The device's answer; none where it is not one."""
    try:
        return parse_registration_credential_json(text)
    except _FAULTS:
        return None


def read_sign_in(text: str) -> AuthenticationCredential | None:
    """The device's answer; none where it is not one."""
    try:
        return parse_authentication_credential_json(text)
    except _FAULTS:
        return None


def challenge_of(answer: RegistrationCredential | AuthenticationCredential) -> bytes:
    """What the device says that it signed; empty where it says nothing."""
    try:
        return parse_client_data_json(answer.response.client_data_json).challenge
    except _FAULTS:
        return b""


def registered(answer: RegistrationCredential, challenge: bytes, place: Place) -> Made | None:
    """The passkey, if the device signed this challenge here and knew its owner."""
    try:
        verified = verify_registration_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=place.host,
            expected_origin=place.origin,
            require_user_verification=True,
        )
    except _FAULTS:
        return None
    return Made(credential=verified.credential_id, public_key=verified.credential_public_key, signs=verified.sign_count)


def signed_in(answer: AuthenticationCredential, passkey: Passkey, challenge: bytes, place: Place) -> int | None:
    """How often the device has signed by now, if this is the passkey and it signed this challenge here."""
    handle = answer.response.user_handle
    if handle is not None and handle != handle_of(passkey.user.id):
        return None
    try:
        verified = verify_authentication_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=place.host,
            expected_origin=place.origin,
            credential_public_key=passkey.public_key,
            credential_current_sign_count=passkey.signs,
            require_user_verification=True,
        )
    except _FAULTS:
        return None
    return verified.new_sign_count
