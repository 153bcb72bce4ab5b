"""Usage of OpenAI's newer endpoints: responses, images, transcriptions. The rules of chat under other names."""

from puyun.metering.reading import Reading, Report
from puyun.metering.shapes.openai import read_openai

_CHAT_NAME = {
    "input_tokens": "prompt_tokens",
    "output_tokens": "completion_tokens",
    "input_tokens_details": "prompt_tokens_details",
    "input_token_details": "prompt_tokens_details",
    "output_tokens_details": "completion_tokens_details",
    "output_token_details": "completion_tokens_details",
}

_NO_FIGURE = {"type"}


def read_responses(report: Report) -> Reading:
    """`input_tokens` contains its details, `output_tokens` too. A report in seconds or pieces is UNKNOWN and free."""
    return read_openai({_CHAT_NAME.get(name, name): value for name, value in report.items() if name not in _NO_FIGURE})
