import asyncio

from engine.service.outbox import MOST_EVENTS, MOST_REPLIES, RESYNC, Outbox


async def drain(outbox: Outbox) -> list[bytes]:
    lines = []
    while len(outbox):
        lines.append(await outbox.next())
    return lines


async def test_events_of_one_key_replace_each_other() -> None:
    outbox = Outbox()
    for number in range(100):
        outbox.post("a", b"a%d" % number)
        outbox.post("b", b"b%d" % number)
    assert await drain(outbox) == [b"a99", b"b99"]


async def test_too_many_events_become_one_resync() -> None:
    outbox = Outbox()
    for number in range(MOST_EVENTS * 3):
        outbox.post(str(number), b"x")
        assert len(outbox) <= MOST_EVENTS
    assert await drain(outbox) == [RESYNC]
    outbox.post("again", b"y")
    assert await drain(outbox) == [b"y"]


async def test_replies_go_before_events_and_keep_their_order() -> None:
    outbox = Outbox()
    outbox.post("a", b"event")
    outbox.reply(b"1")
    outbox.reply(b"2")
    assert await drain(outbox) == [b"1", b"2", b"event"]


async def test_no_request_is_taken_while_replies_wait() -> None:
    outbox = Outbox()
    for _ in range(MOST_REPLIES):
        await asyncio.wait_for(outbox.room(), 60)
        outbox.reply(b"r")
    waiting = asyncio.create_task(outbox.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    await outbox.next()
    await asyncio.wait_for(waiting, 60)


async def test_next_waits_for_a_line() -> None:
    outbox = Outbox()
    waiting = asyncio.create_task(outbox.next())
    await asyncio.sleep(0)
    assert not waiting.done()
    outbox.post("a", b"now")
    assert await asyncio.wait_for(waiting, 60) == b"now"
