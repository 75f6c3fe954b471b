"""The errors of what a server's definition takes from files, commands, and the user's claims. None has a value."""

from __future__ import annotations

from sidecar.errors import SidecarError


class SecretFileRefused(SidecarError):
    """A definition refers to a file (`${file:…}`) that the hub must not read: HUB_SECRET_DIRS does not allow it."""

    code = "SECRET_FILE_REFUSED"
    hint = "Name its directory in HUB_SECRET_DIRS; links that lead out of it are not followed."


class SecretFileInvalid(SidecarError):
    """A file with a secret (`${file:…}`) cannot be read, is no regular file, is too large, or is not text in UTF-8."""

    code = "SECRET_FILE_INVALID"
    hint = "Check that the file exists, and that the user that runs the hub may read it."


class SecretCommandRefused(SidecarError):
    """A definition refers to a command (`${cmd:…}`) that the hub must not run: HUB_SECRET_COMMANDS does not name it."""

    code = "SECRET_COMMAND_REFUSED"
    hint = "Name the program in HUB_SECRET_COMMANDS, with the same absolute path."


class SecretCommandFailed(SidecarError):
    """A command for a secret (`${cmd:…}`) cannot be started, failed, took too long, or printed too much or no text."""

    code = "SECRET_COMMAND_FAILED"
    hint = "Run the same command in a shell as the user that runs the hub; HUB_PASS_ENV names variables that it gets."


class UserClaimMissing(SidecarError):
    """A header of a remote server contains `${user.…}`, and the client is no user who has signed in, or has no such
    claim."""

    code = "USER_CLAIM_MISSING"
    hint = "Connect as a user who signs in at the identity provider, and check which claims it gives."


class ValueInvalid(SidecarError):
    """A header of a remote server would contain control characters, such as line breaks, or a place a reference that
    cannot be used there."""

    code = "SERVER_VALUE_INVALID"
    hint = "Correct the file, command or variable that the value comes from, or the place of the reference."
