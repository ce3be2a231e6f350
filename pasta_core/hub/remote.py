"""What a hub says of a repository, and its refusals in words a person can act on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pasta_core.errors import InvalidInput, ModelUnavailable
from pasta_core.hub.cache import is_commit, wanted
from pasta_core.hub.manifest import RemoteFile, is_checksum, is_safe
from pasta_core.settings import HubSource

__all__ = ["HubUnreachable", "Remote", "RemoteFile", "refusals"]


class HubUnreachable(ModelUnavailable):
    """A hub that cannot be asked now: without a network, where none is allowed, or in trouble."""


@dataclass(frozen=True)
class Remote:
    """A source as its hub has it now."""

    source: HubSource
    commit: str
    files: tuple[RemoteFile, ...]
    endpoint: str | None = None
    """The hub's address; None for that of `HF_ENDPOINT` or Hugging Face's own."""
    listing: tuple[RemoteFile, ...] = ()
    """All files of the commit, also those that the source leaves out, sorted."""

    @classmethod
    def ask(cls, source: HubSource, endpoint: str | None = None) -> Remote:
        """Ask the hub for the commit and the files of a source. Raises `ModelUnavailable`, `InvalidInput`."""
        from huggingface_hub import HfApi

        nonsense = ModelUnavailable(
            f"the answer of {_address(endpoint)} about {source} makes no sense",
            "check HF_ENDPOINT, or try again later",
        )
        try:
            with refusals(source, endpoint):
                info = HfApi(endpoint=endpoint, library_name="pasta").model_info(
                    source.repo, revision=source.revision, files_metadata=True, timeout=30
                )
            commit, said = str(info.sha), [_remote_file(sibling) for sibling in info.siblings or ()]
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
            raise nonsense from error
        files = tuple(file for file in said if wanted(source, file.name))
        if files and not (is_commit(commit) and all(is_checksum(file.checksum) for file in files)):
            raise nonsense
        if not all(map(is_safe, files)):
            # They become paths here.
            raise ModelUnavailable(f"{source} names files outside itself", "do not use it")
        names = {file.name for file in files}
        lost = [pattern for pattern in source.files if not any(_matches(pattern, name) for name in names)]
        if lost or not files:
            raise ModelUnavailable(
                f"{source} has no file {lost[0] if lost else 'at all'}", "correct 'files' in the profile"
            )
        listing = tuple(sorted(filter(is_safe, said), key=lambda file: file.name))
        return cls(source, commit, files, endpoint, listing)

    def url(self, file: RemoteFile) -> str:
        """The address of a file."""
        from huggingface_hub import hf_hub_url

        address = hf_hub_url(self.source.repo, file.name, revision=self.commit, endpoint=self.endpoint)
        return str(address)


def _remote_file(sibling: Any) -> RemoteFile:
    large = sibling.lfs
    return RemoteFile(
        str(sibling.rfilename),
        int(large.size if large else sibling.size or 0),
        str(large.sha256 if large else sibling.blob_id),
    )


def _address(endpoint: str | None) -> str:
    from huggingface_hub import constants

    return endpoint or str(constants.ENDPOINT)


def _matches(pattern: str, name: str) -> bool:
    return wanted(HubSource("", files=(pattern,)), name)


@contextmanager
def refusals(source: HubSource, endpoint: str | None = None) -> Iterator[None]:
    """Turn what Hugging Face's library raises about a source into a `PastaError` of one line."""
    import httpx2
    from huggingface_hub import errors

    address = _address(endpoint)
    try:
        yield
    except errors.HFValidationError as error:
        raise InvalidInput(f"{source.repo!r} is no id of a model", "write it as OWNER/NAME") from error
    except errors.OfflineModeIsEnabled as error:
        raise HubUnreachable(
            "HF_HUB_OFFLINE is set, so nothing is fetched", "unset it for this command"
        ) from error
    except errors.GatedRepoError as error:
        raise ModelUnavailable(
            f"{source.repo} asks to accept its licence first",
            f"accept it at {address}/{source.repo}, then set HF_TOKEN or run 'hf auth login'",
        ) from error
    except errors.RevisionNotFoundError as error:
        raise ModelUnavailable(
            f"{source.repo} has no revision {source.revision}", "correct 'revision' in the profile"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise ModelUnavailable(
            f"{address} has no model {source.repo}, or it is private",
            "check the id; for a private one set HF_TOKEN",
        ) from error
    except errors.RemoteEntryNotFoundError as error:
        raise ModelUnavailable(f"a file of {source} is gone", "correct 'files' in the profile") from error
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        raise _passing(
            HubUnreachable(
                f"{address} answered {status} about {source.repo}",
                "try again later: what has arrived is kept",
            )
        ) from error
    except (httpx2.HTTPError, ConnectionError) as error:
        raise _passing(
            HubUnreachable(
                f"{address} cannot be reached ({type(error).__name__})",
                "check the network and try again: what has arrived is kept",
            )
        ) from error


def _passing(error: ModelUnavailable) -> ModelUnavailable:
    """The same error, marked as worth another try."""
    error.retryable = True
    return error
