"""TensorBoard's event files, by TensorBoard's own writer."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_STRING
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from engine.loggers.targets import Opening


class TensorBoardSink:
    """DIR/RUN: an event file for each time that the run was logged."""

    def __init__(self, opening: Opening) -> None:
        self._writer: Any = EventFileWriter(str(Path(opening.place) / opening.run), flush_secs=3600)
        if opening.last_step is None:
            self._add(0, time.time(), _text("profile", opening.text))
        else:
            # Readers drop an earlier file's entries from this step on: they were not known to be written, and come
            # again.
            start = SessionLog(status=SessionLog.START)
            self._writer.add_event(
                Event(wall_time=time.time(), step=opening.last_step + 1, session_log=start)
            )

    def scalars(self, step: int, values: Mapping[str, float], time: float) -> None:
        self._add(
            step, time, *(Summary.Value(tag=name, simple_value=value) for name, value in values.items())
        )

    def picture(self, step: int, name: str, png: Path) -> None:
        from PIL import Image

        content = png.read_bytes()
        with Image.open(png) as opened:
            width, height = opened.size
        image = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=content)
        self._add(step, png.stat().st_mtime, Summary.Value(tag=name, image=image))

    def flush(self) -> None:
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()

    def _add(self, step: int, time: float, *values: Any) -> None:
        self._writer.add_event(Event(wall_time=time, step=step, summary=Summary(value=values)))


def _text(name: str, text: str) -> Any:
    """Return a text as TensorBoard's text plugin has it; indented, so that it is shown as it is."""
    shown = "\n".join(f"    {line}" for line in text.splitlines())
    metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="text"))
    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)])
    tensor = TensorProto(dtype=DT_STRING, tensor_shape=shape, string_val=[shown.encode()])
    return Summary.Value(tag=name, metadata=metadata, tensor=tensor)
