"""Why a file cannot be read, in words."""

from __future__ import annotations

import errno

_ERRORS = {
    errno.ENOENT: "is gone, or links to a file that is",
    errno.ELOOP: "is a link that leads back to itself",
    errno.EACCES: "may not be read by this user",
    errno.EPERM: "may not be read by this user",
    errno.ENXIO: "is a socket or a device, not a file",
    errno.ENOTDIR: "is gone, or links to a file that is",
}


class Unreadable(Exception):
    """A file that cannot be examined; its text is the reason of the Skip."""


def why(error: OSError) -> str:
    """The reason of an OSError in words."""
    return _ERRORS.get(error.errno or 0) or f"cannot be read: {error.strerror or error}"
