"""Kaggle's official client, with retries and an explanation for each failure."""

import contextlib
import pathlib
import re
import sys
import time
from collections.abc import Callable
from typing import Any, TypeVar

from competition.core import console, files

VERSION = "2.0.2"
# Pauses between tries when the network or Kaggle fails, and between two questions about
# the state of an upload or a kernel.
PAUSES_S: tuple[float, ...] = (2, 10, 30, 60)
POLL_EVERY_S = 20.0

T = TypeVar("T")

_CREDENTIALS = (
    "Make a token at https://www.kaggle.com/settings and set KAGGLE_API_TOKEN, or save "
    "it as ~/.kaggle/access_token."
)
_TAKEN = "The name is taken. Build again with another `name`."
# A pattern in a message of Kaggle -> the remedy; the first that is found is used.
_BY_WORDS = {
    "rules": "The competition's rules are not accepted. Accept them on its page on "
    "Kaggle, under Rules, then run the command again.",
    "quota|limit|maximum|too many|daily": "A quota is used up. See "
    "https://www.kaggle.com/settings for when it is renewed, then run the command "
    "again.",
    "already (in use|exists|been taken)": _TAKEN,
}
_BY_STATUS = {
    400: "Kaggle refuses the request. Build again, and check its names.",
    401: "Kaggle does not know the token. " + _CREDENTIALS,
    403: "Kaggle forbids it. Is `user` the token's user? Is the phone number verified?",
    404: "Kaggle does not know the name. Check `user`, and that it was pushed.",
    409: _TAKEN,
    429: "Kaggle is asked too often. Wait some minutes, then run the command again.",
}


def connect(user: str) -> Any:
    """Return the client, signed in as `user`; all of its output goes to standard error.

    Raise an error without the client, without credentials, or with another user's.
    """
    try:
        with contextlib.redirect_stdout(sys.stderr):
            api = call("sign in", _sign_in)
    except ImportError as error:
        raise ValueError(
            f"Kaggle's client is not installed ({error}). Run `pip install "
            f"kaggle=={VERSION}`."
        ) from error
    # The client ends the program if it finds no token, even when imported.
    except SystemExit as error:
        raise ValueError(f"No Kaggle credentials are found. {_CREDENTIALS}") from error
    received = api.config_values["username"]
    if received.lower() != user.lower():
        raise ValueError(
            f"The kernel is built for the user {user}, but the credentials are for "
            f"{received}. Build again for the user {received}."
        )
    return api


def _sign_in() -> Any:
    from competition.kernel.upload import official

    api = official.Api()
    api.authenticate()
    return api


def call(what: str, ask: Callable[..., T], *arguments: Any, again: bool = True) -> T:
    """Call `ask`, and call it again if the network or the server fails.

    `again` is False for a request that must not happen twice.
    """
    import requests

    pauses = list(PAUSES_S if again else ())
    cause: Exception
    while True:
        try:
            with contextlib.redirect_stdout(sys.stderr):
                return ask(*arguments)
        except requests.HTTPError as error:
            status, cause = getattr(error.response, "status_code", 0), error
            failure = explain(what, str(error), status)
            may_pass = status >= 500 or status == 429
        # Any failure of the transport: also a download that breaks off, or the page of
        # a proxy in place of an answer.
        except (requests.RequestException, ConnectionError) as error:
            failure = (
                f"{what}: no good answer from Kaggle: {error}\nCheck the network, then "
                "run the command again: it goes on where it stopped."
            )
            cause, may_pass = error, True
        # The client raises KeyError for a status that its version does not know.
        except KeyError as error:
            failure = (
                f"{what}: Kaggle's answer holds {error}, which this version of its "
                "client does not know. Run `pip install -U kaggle`, then run the "
                "command again: it goes on where it stopped."
            )
            cause, may_pass = error, False
        if not (may_pass and pauses):
            raise ValueError(failure) from cause
        console.warn(f"{what}: no good answer from Kaggle; again in {pauses[0]:g} s.")
        time.sleep(pauses.pop(0))


def explain(what: str, message: str, status: int = 0) -> str:
    """Return an explanation of Kaggle's message or status, with the remedy."""
    hint = _BY_STATUS.get(status, "Run the command again later.")
    if status >= 500:
        hint = "Kaggle itself fails. Run the command again later: it continues."
    # "Too many requests" contains the words of a quota, but is not about one.
    if status != 429:
        said = message.lower()
        hint = next((_BY_WORDS[key] for key in _BY_WORDS if re.search(key, said)), hint)
    return f"{what}: {message.strip() or status}\n{hint}"


def wait(what: str, poll: Callable[[], T | None], *, hours: float) -> T:
    """Call `poll` until it returns a result; show how long that has taken."""
    start = time.monotonic()
    with console.ERR.status(what) as shown:
        while (result := poll()) is None:
            minutes = (time.monotonic() - start) / 60
            if minutes > hours * 60:
                raise ValueError(
                    f"{what}: not done after {minutes:.0f} minutes. Run the command "
                    "again to go on waiting."
                )
            shown.update(f"{what}: {minutes:.0f} minutes")
            time.sleep(POLL_EVERY_S)
    return result


def download(url: str, path: pathlib.Path) -> None:
    """Download an output file of a kernel, a piece at a time."""
    import requests

    with requests.get(url, stream=True, timeout=60) as answer:
        answer.raise_for_status()
        with files.replacing(path) as temporary, temporary.open("wb") as file:
            for piece in answer.iter_content(2**20):
                file.write(piece)
