import asyncio

from puyun.providers.echo import EchoAnswer

BODY = b'{"model":"e","messages":[{"content":"a b"}]}'


def test_a_whole_answer_and_a_stream() -> None:
    async def run() -> None:
        answer = EchoAnswer("/chat/completions", BODY, "c1", stream=False)
        assert b'"content":"a b"' in await answer.read_all(10_000)
        stream = EchoAnswer("/chat/completions", BODY, "c1", stream=True)
        pieces = []
        while piece := await stream.read():
            pieces.append(piece)
        assert len(pieces) == 5
        assert pieces[-1] == b"data: [DONE]\n\n"
        assert stream.finished
        stream.close()

    asyncio.run(run())
