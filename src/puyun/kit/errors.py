"""One error type for everything a caller can be told about; it says whose fault it is and what to do next."""

from enum import StrEnum


class Blame(StrEnum):
    CLIENT = "client"
    OPERATOR = "operator"
    UPSTREAM = "upstream"
    US = "us"


class PuyunError(Exception):
    """A refusal or failure with a stable `code`, an HTTP `status` and a sentence that says what to do.

    `headers` are extra response headers (such as retry-after); `param` names the field at fault;
    `details` are stable facts for programs. Any other exception that reaches a caller is a bug of ours.
    """

    def __init__(
        self,
        code: str,
        status: int,
        message: str,
        *,
        blame: Blame = Blame.CLIENT,
        param: str | None = None,
        details: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.message = message
        self.blame = blame
        self.param = param
        self.details = details or {}
        self.headers = headers or {}
