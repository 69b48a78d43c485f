"""Repositories of the Hugging Face Hub: their addresses, and their clients' errors in one line each."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ...runtime.errors import BadInput
from ...runtime.progress import console

if TYPE_CHECKING:
    from huggingface_hub import HfApi

REPO_TYPE = "dataset"


@dataclass(frozen=True)
class Repository:
    """A data set repository.

    Arguments:
        endpoint: the server; None is the client's own choice (`HF_ENDPOINT`, else huggingface.co).
        repo_id: "ORG/NAME".
    """

    endpoint: str | None
    repo_id: str

    @classmethod
    def parse(cls, address: str) -> Repository:
        """From "ORG/NAME", or from "https://HOST/datasets/ORG/NAME". Raises BadInput."""
        found = re.fullmatch(r"(?:(https?://[^/]+)/datasets/)?([A-Za-z0-9._-]+/[A-Za-z0-9._-]+)/?", address)
        if not found:
            raise BadInput(f"repository {address!r}: write ORG/NAME, or https://HOST/datasets/ORG/NAME")
        return cls(found[1], found[2])

    @cached_property
    def api(self) -> HfApi:
        """The client, which logs nothing and draws bars on terminals alone."""
        from huggingface_hub import HfApi
        from huggingface_hub.utils.tqdm import disable_progress_bars

        logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # its retries; errors are told in one line here
        if not console.is_terminal:
            disable_progress_bars()  # a log file is no place for bars
        return HfApi(endpoint=self.endpoint, library_name="weightbench")

    @property
    def url(self) -> str:
        """The page that shows it."""
        return f"{self.api.endpoint}/datasets/{self.repo_id}"

    def __str__(self) -> str:
        return self.repo_id if self.endpoint is None else f"{self.endpoint}/datasets/{self.repo_id}"


def tag_of(version: str) -> str:
    """The tag of a zoo's version."""
    return f"v{version}"


@contextmanager
def plain_errors(repository: Repository) -> Iterator[None]:
    """Turn what the clients raise about `repository` into BadInput: what happened, and what to do about it."""
    from huggingface_hub import errors
    from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # httpx or httpx2, which the release is built on

    try:
        try:
            yield
        except (RuntimeError, ValueError) as error:  # uploads and forced downloads wrap what went wrong
            raise error.__cause__ or error from None
    except errors.GatedRepoError:
        raise BadInput(
            f"{repository}: is gated: accept its terms on {repository.url}, then log in with `hf auth login`"
        ) from None
    except errors.RepositoryNotFoundError:
        raise BadInput(
            f"{repository}: no such data set, or a private one: check the name, or log in with `hf auth login`"
        ) from None
    except errors.RevisionNotFoundError as error:
        raise BadInput(
            f"{repository}: has no such revision ({_first_line(error)}): see {repository.url}/tree/main"
        ) from None
    except errors.RemoteEntryNotFoundError as error:
        raise BadInput(
            f"{repository}: lacks a file of the zoo ({_first_line(error)}): its owner must push again"
        ) from None
    except (errors.OfflineModeIsEnabled, errors.LocalEntryNotFoundError) as error:
        if isinstance(error.__cause__, errors.HfHubHTTPError):
            raise BadInput(_about_status(repository, error.__cause__)) from None
        raise BadInput(
            f"{repository}: cannot be reached: check the connection, and HF_HUB_OFFLINE and HF_ENDPOINT; then try again"
        ) from None
    except errors.HfHubHTTPError as error:
        raise BadInput(_about_status(repository, error)) from None
    except errors.HFValidationError as error:
        raise BadInput(f"{repository}: {_first_line(error)}") from None
    except httpx.HTTPError as error:
        raise BadInput(f"{repository}: the connection failed ({_first_line(error)}): try again later") from None
    except OSError as error:
        if "onsistency check" not in str(error):  # the client's word for a body that ended early
            raise
        raise BadInput(f"{repository}: a download ended early: try again, what is complete is kept") from None


def _about_status(repository: Repository, error: Exception) -> str:
    status = error.response.status_code  # type: ignore[attr-defined]
    if status in (401, 403):
        return f"{repository}: access refused: log in with `hf auth login`, with a token that may do this"
    if status == 429:
        return (
            f"{repository}: too many requests for now: wait some minutes and try again, or log in with `hf auth login`"
        )
    if status == 412:
        return f"{repository}: somebody else wrote to it just now: try again"
    return f"{repository}: the server answers with status {status}: try again later"


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
