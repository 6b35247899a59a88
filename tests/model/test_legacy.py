"""Checkpoints of the published format give the published outputs, and others are refused by name."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import softmax

import scbert_tools as sbt
from scbert_tools.model.legacy import BODY, CLASS_HEAD, LAYER, LAYERS, MASKED_HEAD, network_of, read_checkpoint

SIZES = {
    "n_levels": 7,
    "width": 8,
    "sequence": 13,
    "n_features": 6,
    "head_width": 4,
    "all_heads": 8,
    "feed_forward": 16,
    "n_classes": 3,
}
GENES = [f"GENE{place}" for place in range(12)]
TO_Q = "performer.net.layers.1.0.fn.to_q.weight"


@pytest.fixture
def state():
    """Random parameters of a fine-tuned checkpoint with two layers."""
    generator = torch.Generator().manual_seed(0)
    layers = {LAYER.format(layer) + name: row for layer in range(2) for name, row in LAYERS.items()}
    shapes = {
        name: [SIZES.get(word, word) for word in shape] for name, (_, shape) in (BODY | layers | CLASS_HEAD).items()
    }
    return {name: 0.3 * torch.randn(shape, generator=generator) for name, shape in shapes.items()}


@pytest.fixture
def write(tmp_path):
    def saved(content):
        torch.save(content, tmp_path / "own.pth")
        return tmp_path / "own.pth"

    return saved


def pretrained(state):
    head = {"to_out.weight": torch.zeros(7, 8), "to_out.bias": torch.zeros(7)}
    return {name: value for name, value in state.items() if name not in CLASS_HEAD} | head


@pytest.mark.parametrize("prefix", ["", "module."], ids=["plain", "of parallel training"])
@pytest.mark.parametrize("wrapped", [True, False], ids=["whole checkpoint", "parameters only"])
def test_every_parameter_finds_its_place(state, write, prefix, wrapped):
    named = {prefix + name: value for name, value in state.items()} | {
        "performer.calls_since_last_redraw": torch.tensor(0)
    }
    model = sbt.models.load_scbert(
        write({"epoch": 1, "model_state_dict": named} if wrapped else named), genes=GENES, gene2vec=None
    )
    own = model.network.state_dict()
    assert torch.equal(own["encoder.layers.1.attention.query.weight"], state[TO_Q])
    assert len(own) == len(state) + 1  # scales of levels, all 1
    assert (model.name, model.classes) == ("own", ("class 0", "class 1", "class 2"))


def test_pretrained_checkpoint_embeds_and_has_no_classes(state, write, rng):
    model = sbt.models.load_scbert(write(pretrained(state)), genes=GENES, gene2vec=None)
    adata = ad.AnnData(rng.poisson(3.0, (9, 12)).astype(np.float32), var=pd.DataFrame(index=GENES))
    sbt.tl.embed(adata, model=model)
    assert (adata.obsm["X_scbert"].shape, model.classes) == ((9, 8), ())


@pytest.mark.parametrize("kind", [dict, pretrained], ids=["fine-tuned", "pretrained"])
def test_checkpoint_learns_the_types_of_a_reference(state, write, rng, tmp_path, kind):
    model = sbt.models.load_scbert(write(kind(state)), genes=GENES, gene2vec=None)
    rates = np.where(np.arange(12) < 6, [[20.0], [0.1]], [[0.1], [20.0]])
    adata = ad.AnnData(rng.poisson(np.repeat(rates, 20, axis=0)).astype(np.float32), var=pd.DataFrame(index=GENES))
    adata.obs["kind"] = np.repeat(["one", "other"], 20)
    tuned = sbt.tl.fine_tune(adata, "kind", model=model, n_steps=40, lr=1e-2, rng=0)
    tuned.save(tmp_path / "tuned")
    sbt.tl.annotate(adata, model=tmp_path / "tuned")
    assert (adata.obs["scbert_label"] == adata.obs["kind"]).mean() > 0.9
    assert (tuned.levels, tuned.config.maximum) == (model.levels, "batch")


def test_gene2vec_inside_and_beside_the_checkpoint_agree(state, write, tmp_path):
    np.save(tmp_path / "gene2vec.npy", state["pos_emb.emb.weight"][:-1].numpy())
    model = sbt.models.load_scbert(
        write(state), genes=GENES, gene2vec=tmp_path / "gene2vec.npy", classes=["T", "B", "NK"]
    )
    assert model.classes == ("T", "B", "NK")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"genes": GENES[:-1]}, "`genes` has 11 names, but the checkpoint was trained on 12"),
        ({"gene2vec": np.zeros((11, 8))}, r"`gene2vec` has shape \(11, 8\), but the checkpoint holds \(12, 8\)"),
        ({"gene2vec": np.zeros((12, 8))}, "`gene2vec` differs from the vectors in the checkpoint for 12 genes"),
        ({"classes": ["T", "B"]}, "`classes` has 2 names .* but the checkpoint has 3 classes"),
        ({"classes": ["T", "B", "T"]}, r"`classes` has 3 names \(2 different\)"),
        ({"maximum": "row"}, "`maximum` must be one of"),
    ],
    ids=["genes", "shape of gene2vec", "values of gene2vec", "few classes", "class twice", "maximum"],
)
def test_what_does_not_fit_the_checkpoint_is_refused(state, write, options, message):
    with pytest.raises(ValueError, match=message):
        sbt.models.load_scbert(write(state), **({"genes": GENES, "gene2vec": None} | options))


@pytest.mark.parametrize("name", [TO_Q, "token_emb.weight", "norm.bias", "to_out.conv1.weight", "to_out.fc1.weight"])
def test_first_parameter_of_the_wrong_shape_is_named(state, name):
    state[name] = state[name][..., :-1]
    with pytest.raises(ValueError, match=f"`checkpoint` has '{name}' of shape .* ask for"):
        network_of(state)


@pytest.mark.parametrize("name", [TO_Q, "pos_emb.emb.weight", "to_out.fc3.bias"])
def test_missing_parameter_is_named(state, name):
    del state[name]
    with pytest.raises(ValueError, match=f"1 parameters missing \\['{name}'\\]"):
        network_of(state)


def test_unknown_parameter_is_named(state):
    with pytest.raises(ValueError, match=r"1 unknown \['extra'\]"):
        network_of(state | {"extra": torch.zeros(1)})


@pytest.mark.parametrize("content", [[1, 2], {}, {"model_state_dict": {"epoch": 3}}, {"losses": 0.5}], ids=str)
def test_file_without_parameters_is_refused(write, content):
    with pytest.raises(ValueError, match=r"without parameters; give scBERT's .pth file"):
        read_checkpoint(write(content))


@pytest.mark.parametrize("content", [b"", b"no checkpoint at all", b"PK\x03\x04 torn"], ids=["empty", "text", "torn"])
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "own.pth").write_bytes(content)
    with pytest.raises(ValueError, match="cannot be read as weights"):
        read_checkpoint(tmp_path / "own.pth")


def test_code_in_a_file_is_not_run(write):
    with pytest.raises(ValueError, match="cannot be read as weights"):
        read_checkpoint(write({"model_state_dict": print}))


def test_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="`checkpoint` .*nowhere.pth' is not there"):
        read_checkpoint(tmp_path / "nowhere.pth")


def test_tables_name_every_parameter_once():
    names = [ours for table in (BODY, LAYERS, MASKED_HEAD, CLASS_HEAD) for ours, _ in table.values()]
    assert len(names) == len(set(names))


@pytest.fixture(scope="module")
def expected(request):
    folder = request.getfixturevalue("shared_data").parent / "scbert_parity"
    if not folder.is_dir():
        pytest.skip("needs the recorded outputs of the published network")
    return folder, np.load(folder / "small_expected.npz")


def load(expected, name, **options):
    folder, arrays = expected
    genes = [f"GENE{place}" for place in range(60)]
    model = sbt.models.load_scbert(folder / name, genes=genes, gene2vec=arrays["gene2vec"], **options)
    levels = torch.from_numpy(arrays["tokens"][:, :-1].astype(np.int32))
    return model, (torch.arange(60).expand(6, -1), levels, (levels > 0)[:, None, None])


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "method", "wanted"),
    [
        ("small_pretrained.pth", "latents", "encodings"),
        ("small_pretrained.pth", "level_logits", "mlm_logits"),
        ("small_finetuned.pth", "latents", "encodings"),
        ("small_finetuned.pth", "forward", "class_logits"),
    ],
)
def test_outputs_are_those_of_the_published_network(expected, name, method, wanted):
    """As loaded by default: the maximum is that of the batch."""
    model, cells = load(expected, name)
    with torch.inference_mode():
        found = getattr(model.network, method)(*cells)
    found = found.logits if method == "forward" else found
    np.testing.assert_allclose(found.numpy(), expected[1][wanted], rtol=0, atol=1e-5)


@pytest.mark.shared
def test_single_cells_are_read_alike_with_either_maximum_and_batches_nearly(expected):
    found = {}
    for maximum in ("cell", "batch"):
        model, cells = load(expected, "small_finetuned.pth", maximum=maximum)
        with torch.inference_mode():
            alone = [model.network.latents(*(part[[place]] for part in cells)) for place in range(6)]
            found[maximum] = torch.cat(alone), model.network.latents(*cells)
    torch.testing.assert_close(found["cell"][0], found["batch"][0], rtol=0, atol=0)
    torch.testing.assert_close(found["cell"][0], found["cell"][1], rtol=0, atol=1e-5)
    largest = (found["cell"][1] - found["batch"][1]).abs().max()
    assert 1e-4 < largest < 0.05


@pytest.mark.shared
@pytest.mark.parametrize("name", ["small_pretrained.pth", "small_finetuned.pth"])
def test_published_checkpoint_is_taught_new_classes(expected, rng, name):
    model, _ = load(expected, name)
    rates = np.where(np.arange(60) < 30, [[8.0], [1.0]], [[1.0], [8.0]])
    adata = ad.AnnData(rng.poisson(np.repeat(rates, 12, axis=0)).astype(np.float32))
    adata.var_names = model.vocabulary.genes
    adata.obs["kind"] = np.repeat(["one", "other"], 12)
    before = model.fingerprint
    tuned = sbt.tl.fine_tune(adata, "kind", model=model, n_steps=3, rng=0)
    assert (tuned.classes, tuned.config.preset, tuned.config.maximum) == (("one", "other"), "scbert", "batch")
    assert tuned.vocabulary == model.vocabulary
    assert model.fingerprint == before


@pytest.mark.shared
def test_annotate_gives_the_published_probabilities(expected):
    model, (_, levels, _) = load(expected, "small_finetuned.pth")
    parts = np.exp2(levels.numpy()) - 1 + 0.3 * (levels.numpy() > 0)
    scale = 10_000 - parts.sum(axis=1)
    counts = np.where(levels == 5, parts + (scale / (levels == 5).sum(axis=1).numpy())[:, None], parts)
    adata = ad.AnnData(counts.astype(np.float32), var=pd.DataFrame(index=model.vocabulary.genes))
    sbt.tl.annotate(adata, model=model)
    found = adata.obsm["scbert_probabilities"].to_numpy()
    np.testing.assert_allclose(found, softmax(expected[1]["class_logits"], axis=1), rtol=0, atol=1e-5)
