"""Bring files into a board's store: only those it lacks, from where a broken upload stopped, in their shortest form."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from bramble.errors import UnreachableError
from bramble.fleet.ask import ask
from bramble.fleet.release.coding import Source, Stream, shortest
from bramble.fleet.types import Board, Connection
from bramble_agent.wire_release import Piece, TakeAnswer, TakeAsk

PATIENCE_S = 60.0
SLOW_BYTES_S = 1e6  # a memory card that writes, and a board that hashes and unpacks what came

OnSent = Callable[[int, int], None]  # bytes sent, of how many


@dataclass(frozen=True)
class Absent:
    """What a board lacks: files by sha256, and how much of unfinished streams it has (their sha256 → bytes)."""

    missing: tuple[str, ...]
    parts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Load:
    """Files on their way: what the board is told of them before, and the streams that they travel as."""

    pieces: tuple[Piece, ...]
    streams: tuple[Stream, ...]

    @property
    def size(self) -> int:
        """How many bytes go over."""
        return sum(piece.length for piece in self.pieces)

    @property
    def patience_s(self) -> float:
        """How long a board may take nothing while it writes, hashes and unpacks the largest file."""
        return PATIENCE_S + max((piece.size_bytes for piece in self.pieces), default=0) / SLOW_BYTES_S

    def blocks(self, on_sent: OnSent) -> Iterator[bytes]:
        """The bytes, block by block."""
        done, of = 0, self.size
        for stream, piece in zip(self.streams, self.pieces, strict=True):
            for block in stream.sent.blocks(piece.offset):
                yield block
                done += len(block)
                on_sent(done, of)


def load(files: Iterable[Source], absent: Absent, olds: Mapping[str, Source] | None = None) -> Load:
    """Those of ``files`` that are absent, the small ones first, each in its shortest form.

    ``olds`` says for a file (by sha256) which older file the board has, that it may be described by.
    """
    wanted = {one.sha256: one for one in files if one.sha256 in absent.missing}
    ordered = sorted(wanted.values(), key=lambda one: one.size)
    streams = tuple(_way(one, (olds or {}).get(one.sha256), absent.parts) for one in ordered)
    return Load(tuple(_piece(stream, absent.parts) for stream in streams), streams)


def send(
    connection: Connection,
    board: Board,
    files: Iterable[Source],
    absent: Absent,
    olds: Mapping[str, Source] | None = None,
    on_sent: OnSent = lambda done, of: None,
) -> int:
    """Send a ``load``; how many bytes went over.

    Raises as ``ask`` does; what arrived of an upload that breaks is used by the next.
    """
    going = load(files, absent, olds)
    if not going.pieces:
        return 0
    request = TakeAsk(connection.root, {piece.blob: piece.size_bytes for piece in going.pieces}, going.pieces)
    told = ask(connection, board, request, TakeAnswer, going.patience_s, going.blocks(on_sent))
    if told.missing:
        raise UnreachableError(f"{board.name}: {told.missing[0][:12]} did not arrive", "push again")
    return going.size


def _way(one: Source, old: Source | None, parts: Mapping[str, int]) -> Stream:
    """A file that was begun as it is goes on so, if it is nearly there; else its shortest form."""
    if parts.get(one.sha256, 0) > one.size // 2:
        return Stream(one, one)
    return shortest(one, old)


def _piece(stream: Stream, parts: Mapping[str, int]) -> Piece:
    blob, sent = stream.blob, stream.sent
    offset = min(parts.get(sent.sha256, 0), sent.size)
    return Piece(
        blob=blob.sha256,
        size_bytes=blob.size,
        stream=sent.sha256,
        stream_bytes=sent.size,
        offset=offset,
        length=sent.size - offset,
        coding=stream.coding,
        base=stream.base,
    )
