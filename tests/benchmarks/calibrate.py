"""Give a trained model its temperature, its gate and its memory of known cells, from data sets that were left out.

Run ``python calibrate.py --model FOLDER`` from this folder after ``transfer.py --method ours``; it rewrites the model.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from datasets import SHARED
from fitting import fit_gate, held_out_cells, temperature_of
from held_out import SET_NAMES, TREE_OF_ALL, HeldOutSet, held_out_sets, material_of
from sources import LABELLED, read_source

from scbert_tools.infer.held_out import remember
from scbert_tools.infer.surplus import marker_weights
from scbert_tools.model.annotator import Annotator, Calibration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scbert_tools.genes import Vocabulary
    from scbert_tools.infer.profiles import LabelledCells

SHIPPED = Path(__file__).parents[2] / "scbert_tools" / "pretrained" / "pbmc"


def training_cells(vocabulary: Vocabulary) -> list[LabelledCells]:
    """Return the cells that the shipped model is trained on."""
    sets = [read_source(source, SHARED / "data", vocabulary) for source in LABELLED.values()]
    return [material_of(cells.labelled()) for cells in sets]


def calibrated(annotator: Annotator, sets: Sequence[HeldOutSet]) -> Annotator:
    """Return the model with everything that held-out sets teach."""
    temperature = temperature_of(sets)
    known = remember(
        TREE_OF_ALL,
        training_cells(annotator.vocabulary),
        [held_out_cells(one) for one in sets],
        names=SET_NAMES,
        markers=marker_weights(annotator.vocabulary.genes),
        temperature=temperature,
        rng=np.random.default_rng(0),
    )
    calibration = Calibration(
        temperature=round(temperature, 3),
        threshold=annotator.calibration.threshold,
        set_names=SET_NAMES,
        gate=fit_gate(sets, temperature),
    )
    return replace(annotator, calibration=calibration, known=known)


def main(model: Annotated[Path, typer.Option(help="Folder of the model, which is rewritten.")] = SHIPPED) -> None:
    """Calibrate a model and write it back."""
    done = calibrated(Annotator.load(model), held_out_sets())
    done.save(model, half=True)
    sys.stdout.write(f"{done.calibration}\n")


if __name__ == "__main__":
    typer.run(main)
