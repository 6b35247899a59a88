"""Architecture and sizes of a network: one frozen object, validated once, stored as JSON beside the weights."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "mini": {},
    "base": {"gene_width": 768, "width": 768, "n_layers": 12, "n_heads": 12, "feed_forward": 3072},
    "scbert": {
        "n_levels": 7,
        "gene_width": 200,
        "width": 200,
        "n_layers": 6,
        "n_heads": 10,
        "feed_forward": 800,
        "dropout": 0.0,
    },
}
"""Sizes of each architecture, where they are not the defaults of :class:`ModelConfig`."""
LATER = ("preset", "head_width", "n_features", "maximum", "vote_power", "multilabel")
"""Fields that are stored only where they are not the default: folders from before them stay as they are."""
NOT_SIZES = ("preset", "dropout", "maximum", "vote_power", "multilabel")


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Architecture and sizes of a network; the defaults are those of ``"mini"``.

    Parameters
    ----------
    n_genes
        Genes of the vocabulary.
    n_levels
        Expression levels a token can have.
    """

    n_genes: int
    n_levels: int = 32
    gene_width: int = 64
    """Numbers per gene token; the cost of reading a cell is proportional to it."""
    width: int = 128
    """Numbers per latent token and in the cell embedding."""
    n_latents: int = 8
    n_heads: int = 4
    n_layers: int = 2
    feed_forward: int = 256
    dropout: float = 0.1
    """Applied to what a layer adds, never inside attention, where it would leave the fast path."""

    preset: str = "mini"
    """Architecture: ``"mini"`` (latent attention), ``"base"`` (exact attention) or ``"scbert"`` (as published)."""
    head_width: int = 64
    """Numbers per token and head of ``"scbert"``, whose heads are not shares of the width."""
    n_features: int = 266
    """Random features of the attention of ``"scbert"``."""
    maximum: str = "cell"
    """Keys whose maximum ``"scbert"`` sets off: of a ``"cell"``, or of all cells of a ``"batch"`` as published."""
    vote_power: float = 1.5
    """Power of the levels with which genes vote: the higher, the more the loudest genes of a cell decide."""
    multilabel: bool = False
    """Whether classes are independent of each other, so that a cell may have several, or exclude each other."""

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if name not in NOT_SIZES and (not isinstance(value, int) or value < 1):
                msg = f"`{name}` must be a positive whole number, got {value!r}."
                raise ValueError(msg)
        for name, accepted in {"preset": list(PRESETS), "maximum": ["cell", "batch"]}.items():
            if getattr(self, name) not in accepted:
                msg = f"`{name}` must be one of {accepted}, got {getattr(self, name)!r}."
                raise ValueError(msg)
        if not self.vote_power > 0:
            msg = f"`vote_power` must be above 0, got {self.vote_power!r}."
            raise ValueError(msg)
        if not 0 <= self.dropout < 1:
            msg = f"`dropout` must be at least 0 and below 1, got {self.dropout!r}."
            raise ValueError(msg)
        if self.width % self.n_heads:
            msg = f"`width` must be a multiple of `n_heads`, got {self.width} and {self.n_heads}."
            raise ValueError(msg)

    @classmethod
    def of(cls, preset: str, *, n_genes: int, **sizes: Any) -> ModelConfig:
        """Return the sizes of a preset.

        Parameters
        ----------
        preset
            ``"mini"``, ``"base"`` or ``"scbert"``.
        n_genes
            Genes of the vocabulary.
        **sizes
            Fields that are to differ from the preset.

        Examples
        --------
        >>> ModelConfig.of("base", n_genes=20_000, n_layers=6).width
        768
        """
        return cls(n_genes=n_genes, preset=preset, **{**PRESETS.get(preset, {}), **sizes})

    def to_json(self) -> dict[str, Any]:
        """Return the sizes as plain JSON values."""
        defaults = {field.name: field.default for field in fields(self) if field.name in LATER}
        return {name: value for name, value in asdict(self).items() if defaults.get(name, ...) != value}
