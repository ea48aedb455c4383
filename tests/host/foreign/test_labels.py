"""Names of classes as they are found in the wild, and what is refused."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from bramble.errors import UsageError
from bramble.foreign.labels import LONG, labels_inside, of_classes, of_detections, read_labels


def written(folder: Path, text: str | bytes) -> str:
    """A file of labels."""
    path = folder / "labels.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("cat\ndog\n", ("cat", "dog")),
        ("\ufeffcat\r\n  dog \r\n\r\n", ("cat", "dog")),
        ("0 person\n1 car\n", ("person", "car")),
        ("0: person\n1: car\n3: bus stop\n", ("person", "car", "#2", "bus stop")),
        ("1 person\n2 car", ("person", "car")),
        ("1\n2\n3\n", ("1", "2", "3")),
        ("3 geese\n10 ducks\n", ("3 geese", "10 ducks")),
        ("7 up\n", ("7 up",)),
        ("tench, Tinca tinca\nmême\n", ("tench, Tinca tinca", "même")),
    ],
)
def test_files(tmp_path: Path, text: str, labels: tuple[str, ...]) -> None:
    """Plain and numbered lines; a byte order mark, other line ends and empty lines at the end do not matter."""
    assert read_labels(written(tmp_path, text)) == labels


def test_written_out() -> None:
    """With commas, blanks around them left out."""
    assert read_labels("nobody, person") == ("nobody", "person")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "there are no labels"),
        ("\n \n", "there are no labels"),
        ("cat\n\ndog\n", "line 2 is empty"),
        ("cat\ndog\ncat\n", "named more than once: 'cat'"),
        (b"caf\xe9\n", "is not UTF-8"),
    ],
)
def test_refused_files(tmp_path: Path, text: str | bytes, said: str) -> None:
    """What is wrong is said, with the file's name."""
    with pytest.raises(UsageError, match=said) as caught:
        read_labels(written(tmp_path, text))
    assert "labels.txt" in caught.value.message


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("nobody,person,nobody", "named more than once: 'nobody'"),
        ("nobody,,person", "name 2 is empty"),
        (",", "there are no labels"),
        ("none.txt", "there is no file none.txt"),
        ("a/b", "there is no file a/b"),
        (".", "there is no file"),
    ],
)
def test_refused_words(given: str, said: str) -> None:
    """A file that is not there is no name of a class."""
    with pytest.raises(UsageError, match=said):
        read_labels(given)


def test_long_lists_may_name_two_things_alike(tmp_path: Path) -> None:
    """ImageNet's crane is a bird and a machine; in a short list it is a mistake."""
    names = [str(number) for number in range(LONG - 1)]
    assert len(read_labels(written(tmp_path, "crane\n" + "\n".join([*names, "crane"])))) == LONG + 1
    with pytest.raises(UsageError, match="crane"):
        read_labels(written(tmp_path, "crane\n" + "\n".join([*names[2:], "crane"])))


def test_labels_of_imagenet_with_background(data: Path) -> None:
    """The real files of two collections: 1,001 names, the first of them none of the classes."""
    for place in ("coral/imagenet_labels.txt", "tflite-support/labels.txt"):
        labels = read_labels(str(data / "models" / place))
        assert (len(labels), labels[0]) == (1001, "background")
        assert of_classes(labels, 1001, background=False) == labels
        assert of_classes(labels[1:], 1001, background=True) == labels


def test_labels_inside(data: Path) -> None:
    """A model with metadata carries its own; one without, or with a damaged or foreign .zip behind it, none."""
    model = (data / "models/tflite-support/mobilenet_v1_0.25_224_quant.tflite").read_bytes()
    assert labels_inside(model) == read_labels(str(data / "models/tflite-support/labels.txt"))
    assert labels_inside(model[:-30]) == ()
    assert labels_inside(b"no .zip") == ()
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("a.txt", "a")
        archive.writestr("b.txt", "b")
    assert labels_inside(held.getvalue()) == ()


def test_as_many_as_the_classifier_has() -> None:
    """Else both numbers are told, and what may be the cause."""
    assert of_classes(("a", "b"), 2, background=False) == ("a", "b")
    assert of_classes(("a", "b"), 3, background=True) == ("background", "a", "b")
    with pytest.raises(UsageError, match="2 labels for a model of 3 classes") as caught:
        of_classes(("a", "b"), 3, background=False)
    assert "--background" in caught.value.hint
    with pytest.raises(UsageError, match="3 labels for a model of 2 classes"):
        of_classes(("a", "b"), 2, background=True)
    with pytest.raises(UsageError) as caught:
        of_classes(("a", "b", "a"), 2, background=False)
    assert caught.value.hint == "named more than once: 'a'"


def test_as_many_as_the_detector_has() -> None:
    """A first line for none is left out, names without a class do no harm, classes without a name are refused."""
    assert of_detections(("???", "cat", "dog"), 2) == ("cat", "dog")
    assert of_detections(("cat", "dog"), 2) == ("cat", "dog")
    assert of_detections(("cat", "dog", "cow"), 2) == ("cat", "dog", "cow")
    assert of_detections(("cat",), 0) == ("cat",)
    with pytest.raises(UsageError, match="1 labels for a detector of 2 classes"):
        of_detections(("cat",), 2)
