"""What a hub says of a repository, and its refusals in words a person can act on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath

from pasta_core.errors import InvalidInput, ModelUnavailable
from pasta_core.hub.cache import wanted
from pasta_core.settings import HubSource

__all__ = ["Remote", "RemoteFile", "refusals"]

_HEX = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True)
class RemoteFile:
    """A file of a repository."""

    name: str
    size: int
    """In bytes."""
    checksum: str
    """Its SHA-256 (64 digits), or git's SHA-1 of it (40) for a small file."""


@dataclass(frozen=True)
class Remote:
    """A source as its hub has it now."""

    source: HubSource
    commit: str
    files: tuple[RemoteFile, ...]
    endpoint: str | None = None
    """The hub's address; None for that of `HF_ENDPOINT` or Hugging Face's own."""

    @classmethod
    def ask(cls, source: HubSource, endpoint: str | None = None) -> Remote:
        """Ask the hub for the commit and the files of a source. Raises `ModelUnavailable`, `InvalidInput`."""
        from huggingface_hub import HfApi

        with refusals(source):
            info = HfApi(endpoint=endpoint, library_name="pasta").model_info(
                source.repo, revision=source.revision, files_metadata=True, timeout=30
            )
        files = tuple(
            RemoteFile(
                sibling.rfilename,
                int(sibling.lfs.size if sibling.lfs else sibling.size or 0),
                str(sibling.lfs.sha256 if sibling.lfs else sibling.blob_id),
            )
            for sibling in info.siblings or ()
            if wanted(source, sibling.rfilename)
        )
        # They become paths here.
        for text in (info.sha or "", *(file.checksum for file in files)):
            if not _HEX.fullmatch(text):
                raise ModelUnavailable(f"the hub's answer about {source} makes no sense", "try again later")
        paths = [PurePosixPath(file.name) for file in files]
        if any(path.is_absolute() or ".." in path.parts for path in paths):
            raise ModelUnavailable(f"{source} names files outside itself", "do not use it")
        names = {file.name for file in files}
        lost = [pattern for pattern in source.files if not any(_matches(pattern, name) for name in names)]
        if lost or not files or info.sha is None:
            raise ModelUnavailable(
                f"{source} has no file {lost[0] if lost else 'at all'}", "correct 'files' in the profile"
            )
        return cls(source, info.sha, files, endpoint)

    def url(self, file: RemoteFile) -> str:
        """The address of a file."""
        from huggingface_hub import hf_hub_url

        address = hf_hub_url(self.source.repo, file.name, revision=self.commit, endpoint=self.endpoint)
        return str(address)


def _matches(pattern: str, name: str) -> bool:
    return wanted(HubSource("", files=(pattern,)), name)


@contextmanager
def refusals(source: HubSource) -> Iterator[None]:
    """Turn what Hugging Face's library raises about a source into a `PastaError` of one line."""
    import httpx2
    from huggingface_hub import constants, errors

    try:
        yield
    except errors.HFValidationError as error:
        raise InvalidInput(f"{source.repo!r} is no id of a model", "write it as OWNER/NAME") from error
    except errors.OfflineModeIsEnabled as error:
        raise ModelUnavailable(
            "HF_HUB_OFFLINE is set, so nothing is fetched", "unset it for this command"
        ) from error
    except errors.GatedRepoError as error:
        raise ModelUnavailable(
            f"{source.repo} asks to accept its licence first",
            f"accept it at {constants.ENDPOINT}/{source.repo}, then set HF_TOKEN or run 'hf auth login'",
        ) from error
    except errors.RevisionNotFoundError as error:
        raise ModelUnavailable(
            f"{source.repo} has no revision {source.revision}", "correct 'revision' in the profile"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise ModelUnavailable(
            f"{constants.ENDPOINT} has no model {source.repo}, or it is private",
            "check the id; for a private one set HF_TOKEN",
        ) from error
    except errors.RemoteEntryNotFoundError as error:
        raise ModelUnavailable(f"a file of {source} is gone", "correct 'files' in the profile") from error
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        raise _passing(
            ModelUnavailable(
                f"{constants.ENDPOINT} answered {status} about {source.repo}",
                "try again later: what has arrived is kept",
            )
        ) from error
    except (httpx2.HTTPError, ConnectionError) as error:
        raise _passing(
            ModelUnavailable(
                f"{constants.ENDPOINT} cannot be reached ({type(error).__name__})",
                "check the network and try again: what has arrived is kept",
            )
        ) from error


def _passing(error: ModelUnavailable) -> ModelUnavailable:
    """The same error, marked as worth another try."""
    error.retryable = True
    return error
