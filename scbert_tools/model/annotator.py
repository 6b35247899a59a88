"""A trained model: network, vocabulary, label tree and calibration, in one folder without pickle."""

from __future__ import annotations

import hashlib
import json
import tempfile
from copy import deepcopy
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors.numpy
from safetensors.torch import save_file

from ..genes.vocabulary import Vocabulary
from ..tokens.levels import Levels
from ..tokens.scbert_levels import ScbertLevels
from .calibration import Calibration
from .config import ModelConfig
from .files import read_json, read_tensors, read_tensors_if_any
from .known_cells import KnownCells
from .labels import LabelTree
from .network import CellTransformer, build_network

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from torch import Tensor

__all__ = ["Annotator", "Calibration"]

FORMAT = 1
"""Version of the folder layout; a reader refuses newer ones."""

LEVELS: dict[str, type[Levels]] = {"scbert": ScbertLevels}
"""How presets cut expression into levels, where they do not do it in the usual way."""

FILES = ("config.json", "classes.json", "vocabulary.txt", "model.safetensors")
KNOWN = "known.safetensors"
"""What the model remembers of the cells it knows; models without it cannot tell unknown types."""
UNTAUGHT = "untaught.safetensors"
"""Encoder before it learned the labels; without it, fine-tuning starts from the encoder that did."""


@dataclass(frozen=True, kw_only=True)
class Annotator:
    """Everything needed to name the cell types of new data.

    Saved as a folder, which is a model for ``model=`` of every function. ``classes`` are the types it names,
    ``vocabulary`` the genes it reads, and ``card`` says what it was taught and how good it is.

    Examples
    --------
    >>> import scbert_tools as sbt
    >>> "NK cell" in sbt.models.load("pbmc").classes
    True
    """

    network: CellTransformer
    config: ModelConfig
    vocabulary: Vocabulary
    labels: LabelTree
    levels: Levels = field(default_factory=Levels)
    calibration: Calibration = field(default_factory=Calibration)
    known: KnownCells | None = None
    untaught: Mapping[str, Tensor] = field(default_factory=dict)
    """Embedding and encoder from before the labels, from which fine-tuning starts; empty where there is none."""
    name: str = "unnamed"
    card: str = ""
    training: Mapping[str, Any] = field(default_factory=dict)
    """What a training of your own left behind: ``history`` for ``pl.history``, a ``report``, ``n_genes`` seen."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Leaves of the label tree, in the order of the network's outputs."""
        return self.labels.leaves

    def require_classes(self) -> None:
        """Refuse, by a ``ValueError``, to name cells with a model that has not learned to."""
        if not self.classes:
            msg = (
                f"`model` {self.name!r} is pretrained on masked genes and knows no cell types; "
                "fine-tune it on labelled cells first, or use it with `sbt.tl.embed`."
            )
            raise ValueError(msg)

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) over weights, sizes, classes and genes: equal fingerprints give equal answers."""
        digest = hashlib.sha256()
        for weights in (self.network.state_dict(), self.untaught):
            for name, tensor in sorted(weights.items()):
                digest.update(name.encode())
                # In 32 bits whatever is stored, so that a model saved in halves is recognised when it is read back.
                digest.update(tensor.detach().cpu().float().contiguous().numpy().tobytes())
        digest.update(json.dumps([self._settings(), self.labels.to_json()], sort_keys=True).encode())
        digest.update(self.vocabulary.fingerprint.encode())
        for name, array in sorted(self.known.arrays().items() if self.known else ()):
            digest.update(name.encode() + array.tobytes())
        return digest.hexdigest()

    def _settings(self) -> dict[str, Any]:
        """Return what stands in ``config.json`` besides name, format and fingerprint."""
        return {
            "model": self.config.to_json(),
            "levels": asdict(self.levels),
            "calibration": self.calibration.to_json(),
        }

    def save(self, path: str | os.PathLike[str], *, half: bool = False) -> None:
        """Write the model's folder: ``safetensors`` and JSON, complete or not at all.

        Parameters
        ----------
        path
            Folder to write; an older model there is replaced.
        half
            Store weights as 16-bit floats: half the size, and a fingerprint of its own.

        Raises
        ------
        FileExistsError
            If ``path`` is something else than a model's folder.

        Examples
        --------
        >>> import scbert_tools as sbt
        >>> sbt.models.load("pbmc").save("my_model")  # doctest: +SKIP
        """
        path = Path(path)
        if path.exists() and not all((path / name).is_file() for name in FILES):
            msg = f"`path` {str(path)!r} exists and is not a model's folder; choose another name."
            raise FileExistsError(msg)
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as unfinished:
            folder = Path(unfinished) / "model"
            folder.mkdir()
            self._write(folder, half=half)
            # No folder can take the name of one that holds files: the old one steps aside, and back if anything fails.
            old = Path(unfinished) / "old"
            if path.exists():
                path.rename(old)
            try:
                folder.rename(path)
            except BaseException:
                if old.exists():
                    old.rename(path)
                raise

    def _halved(self) -> Annotator:
        """Return the model with weights of 16 bits."""
        untaught = {name: tensor.half() for name, tensor in self.untaught.items()}
        return replace(self, network=deepcopy(self.network).half(), untaught=untaught)

    def _write(self, folder: Path, *, half: bool) -> None:
        """Write the files of the model into an existing empty folder."""
        stored = self._halved() if half else self
        for place, weights in (("model.safetensors", stored.network.state_dict()), (UNTAUGHT, stored.untaught)):
            if weights:
                save_file({name: tensor.contiguous() for name, tensor in weights.items()}, folder / place)
        if self.known is not None:
            safetensors.numpy.save_file(self.known.arrays(), folder / KNOWN)
        for file in folder.glob("*.safetensors"):
            file.chmod(0o644)
        header = {"format": FORMAT, "name": self.name, "fingerprint": stored.fingerprint}
        (folder / "config.json").write_text(json.dumps(header | self._settings(), indent=1) + "\n")
        (folder / "classes.json").write_text(json.dumps(self.labels.to_json(), indent=1) + "\n")
        self.vocabulary.write(folder / "vocabulary.txt")
        (folder / "card.md").write_text(self.card)
        if self.training:
            (folder / "training.json").write_text(json.dumps(self.training, indent=1) + "\n")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Annotator:
        """Read a model's folder and check that it is whole.

        Parameters
        ----------
        path
            Folder written by :meth:`save`.

        Raises
        ------
        FileNotFoundError
            If files are missing.
        ValueError
            If the folder is of a newer format, damaged, or its files do not belong together.

        Examples
        --------
        >>> import scbert_tools as sbt
        >>> sbt.Annotator.load("my_model").classes  # doctest: +SKIP
        """
        path = Path(path)
        missing = [name for name in FILES if not (path / name).is_file()]
        if missing:
            msg = f"`path` {str(path)!r} is not a model's folder: {missing} missing. Give a folder made by `save`."
            raise FileNotFoundError(msg)
        header = read_json(path / "config.json")
        if isinstance(header, dict) and header.get("format") != FORMAT:
            msg = (
                f"{str(path)!r} has format {header.get('format')!r}, this version reads {FORMAT}; update scbert-tools."
            )
            raise ValueError(msg)
        try:
            annotator = _assemble(cls, path, header)
        except (AttributeError, KeyError, TypeError) as error:
            msg = f"{str(path)!r} is damaged: its JSON does not describe a model. Copy or install it again."
            raise ValueError(msg) from error
        if annotator.fingerprint != header.get("fingerprint"):
            msg = f"{str(path)!r} is damaged: its files do not match their fingerprint. Copy or install it again."
            raise ValueError(msg)
        return annotator


def _read_known(path: Path) -> KnownCells | None:
    """Return what the model remembers of known cells, ``None`` for a model that was saved without."""
    tensors = read_tensors_if_any(path)
    return KnownCells.from_arrays({name: tensor.numpy() for name, tensor in tensors.items()}) if tensors else None


def _assemble(cls: type[Annotator], path: Path, header: dict[str, Any]) -> Annotator:
    """Build the annotator from the files of its folder."""
    labels = LabelTree.from_json(read_json(path / "classes.json"))
    config = ModelConfig(**header["model"])
    network = build_network(config, len(labels.leaves))
    try:
        network.load_state_dict(read_tensors(path / "model.safetensors"))
    except RuntimeError as error:
        msg = f"{str(path)!r}: weights and `config.json` do not belong together. {error}"
        raise ValueError(msg) from error
    card = path / "card.md"
    return cls(
        network=network.eval(),
        config=config,
        vocabulary=Vocabulary.read(path / "vocabulary.txt"),
        labels=labels,
        levels=LEVELS.get(config.preset, Levels)(**header["levels"]),
        calibration=Calibration(**header["calibration"]),
        known=_read_known(path / KNOWN),
        untaught=read_tensors_if_any(path / UNTAUGHT),
        name=header["name"],
        card=card.read_text() if card.is_file() else "",
        training=read_json(path / "training.json") if (path / "training.json").is_file() else {},
    )
